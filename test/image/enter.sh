#!/bin/sh
# enter.sh ROOT COMMAND...: in a mount and process namespace of its own, the command with that folder as the root of all. ENTER_BINDS has
# lines NAME=PATH: each path is seen, read-only, as /tmp/NAME there. With ENTER_SCRATCH, a folder, the root itself stays as it is: what the
# command changes goes to that folder.
set -eu
root=$1
shift
mount --make-rprivate /
if [ -n "${ENTER_SCRATCH:-}" ]; then
  mkdir -p "$ENTER_SCRATCH/changes" "$ENTER_SCRATCH/work" "$ENTER_SCRATCH/root"
  mount -t overlay overlay -o "lowerdir=$root,upperdir=$ENTER_SCRATCH/changes,workdir=$ENTER_SCRATCH/work" "$ENTER_SCRATCH/root"
  root=$ENTER_SCRATCH/root
else
  mount --bind "$root" "$root"
fi
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
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
unset ENTER_BINDS ENTER_SCRATCH
# Not chroot: in one, the kernel makes no user namespaces.
cd "$root"
pivot_root . .
umount -l .
cd /
exec "$@"
