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
if [ -e /lib/systemd/system/systemd-resolved.service ]; then systemctl enable --quiet systemd-resolved.service; fi
if [ -d /etc/cloud ]; then touch /etc/cloud/cloud-init.disabled; fi

# The workload's user can become nobody else.
if [ -d /etc/sudoers.d ]; then rm -f /etc/sudoers.d/90-cloud-init-users /etc/sudoers.d/dev; fi
for group in sudo docker adm lxd; do
  if getent group "$group" >/dev/null; then gpasswd --delete dev "$group" >/dev/null 2>&1 || true; fi
done
