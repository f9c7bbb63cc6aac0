#!/usr/bin/env bash
# What comes from the distribution's own archive, and the user that the workload runs as.
. "$(dirname "$0")/lib.sh"

say "packages of the distribution"
apt_install ca-certificates curl gnupg jq unzip xz-utils less procps kmod iproute2 iputils-ping openssh-client rsync \
  git tmux make build-essential python3 python3-venv python3-pip \
  util-linux nftables xfsprogs e2fsprogs dbus udev systemd-sysv

say "user dev"
if ! getent group dev >/dev/null; then groupadd --gid 1000 dev; fi
if ! id dev >/dev/null 2>&1; then
  useradd --uid 1000 --gid 1000 --home-dir /workspace/home --no-create-home --shell /bin/bash --comment 'workload of the box' dev
fi
passwd --lock dev >/dev/null
# The ids that rootless Docker maps its containers to.
for file in /etc/subuid /etc/subgid; do
  touch "$file"
  sed -i '/^dev:/d' "$file"
  echo 'dev:100000:65536' >>"$file"
done
install -d -m 0755 -o root -g root /workspace /var/log/devctl /var/cache/devctl /opt/devctl /etc/devctl
