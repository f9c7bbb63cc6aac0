#!/usr/bin/env bash
# What is off, what is bounded, and what leaves no trace.
. "$(dirname "$0")/lib.sh"

say "hardening"
for file in sysctl.d/90-devctl.conf security/limits.d/90-devctl.conf systemd/coredump.conf.d/90-devctl.conf \
  systemd/journald.conf.d/90-devctl.conf systemd/system.conf.d/90-devctl.conf systemd/network/10-devctl.network devctl/masked-units; do
  put "etc/$file"
done

# No swap, now or with the next boot: a page of a secret is never written to a disk.
sed -i -E '/^[^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap[[:space:]]/d' /etc/fstab 2>/dev/null || true

# Units that a box has no use for. They are masked, and not stopped: the bake may be connected through one of them.
while read -r unit _; do
  case $unit in '' | '#'*) continue ;; esac
  systemctl mask --quiet "$unit"
done </etc/devctl/masked-units

# The network by one static file: nothing is generated at boot, and cloud-init, which does that and more, is off.
rm -f /etc/netplan/*.yaml
systemctl enable --quiet systemd-networkd.service
# Amazon's resolver, asked by each program itself: a resolver of the machine would ask in the name of whoever may reach nothing.
# (A root folder that is entered has that of the machine around it.)
if ! mountpoint --quiet /etc/resolv.conf; then
  rm -f /etc/resolv.conf
  printf 'nameserver 169.254.169.253\noptions timeout:2 attempts:3\n' >/etc/resolv.conf
fi
if [ -d /etc/cloud ]; then touch /etc/cloud/cloud-init.disabled; fi

# The workload's user can become nobody else.
if [ -d /etc/sudoers.d ]; then rm -f /etc/sudoers.d/90-cloud-init-users /etc/sudoers.d/dev; fi
for group in sudo docker adm lxd; do
  if getent group "$group" >/dev/null; then gpasswd --delete dev "$group" >/dev/null 2>&1 || true; fi
done
