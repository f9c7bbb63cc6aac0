#!/usr/bin/env bash
# Makes a Debian-family machine, or a root folder with chroot, into a box: every step in its order, and the check at the end. Each step
# may be run again. The sources that were replaced are told at the end.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || die "run this as root"
if [ "$DEVCTL_STRICT" = 1 ] && [ -n "$(replaced)" ]; then die "a bake takes everything from its own source, and these are replaced: $(replaced | tr '\n' ' ')"; fi

for step in "$IMAGE_DIR"/provision/[0-9][0-9]-*.sh; do
  bash "$step" || die "${step##*/} failed: see above"
done

# From where the image has it: the folder that was uploaded is none of the image.
bash /opt/devctl/image/verify.sh
