#!/bin/sh
# enter.sh ROOT COMMAND...: in a mount and process namespace of its own, the command in that root. ENTER_BINDS has lines NAME=PATH: each
# path is seen, read-only, as /tmp/NAME there.
set -eu
root=$1
shift
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys" 2>/dev/null || true
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
if [ -e /etc/resolv.conf ] && [ ! -L "$root/etc/resolv.conf" ]; then
  [ -e "$root/etc/resolv.conf" ] || : >"$root/etc/resolv.conf"
  mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
fi
printf '%s\n' "$ENTER_BINDS" | while IFS='=' read -r name path; do
  [ -n "$name" ] || continue
  if [ -d "$path" ]; then mkdir "$root/tmp/$name"; else : >"$root/tmp/$name"; fi
  mount --bind "$path" "$root/tmp/$name"
  mount -o remount,bind,ro "$root/tmp/$name"
done
unset ENTER_BINDS
exec chroot "$root" "$@"
