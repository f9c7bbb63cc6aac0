#!/usr/bin/env bash
# The machine forgets who it was: every box that is made from it begins as itself. And this folder's check goes along, for a look at a box.
. "$(dirname "$0")/lib.sh"

say "seal"
install -d -m 0755 /opt/devctl/image/provision
install -m 0755 "$IMAGE_DIR/verify.sh" /opt/devctl/image/
install -m 0644 "$IMAGE_DIR/versions.env" "$IMAGE_DIR/caches.json" /opt/devctl/image/
install -m 0644 "$IMAGE_DIR/provision/lib.sh" /opt/devctl/image/provision/
rm -rf /opt/devctl/image/files
cp -r "$IMAGE_DIR/files" /opt/devctl/image/files
chown -R root:root /opt/devctl/image
chmod -R u=rwX,go=rX /opt/devctl/image

# An empty file, and not a missing one: that would be a first boot, which sets every unit to what the distribution prefers.
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed /etc/ssh/ssh_host_*
echo devctl >/etc/hostname
grep -q ' devctl$' /etc/hosts 2>/dev/null || echo '127.0.1.1 devctl' >>/etc/hosts
if command -v cloud-init >/dev/null; then cloud-init clean --logs --seed; fi

find /root /home -maxdepth 3 \( -name authorized_keys -o -name .bash_history -o -name .npmrc \) -delete
rm -rf /root/.npm /root/.cache /root/.aws /root/.docker /root/.claude /root/.claude.json
find /var/log -type f -exec truncate -s 0 {} +
rm -rf /var/log/journal
apt-get clean
rm -rf /var/lib/apt/lists/*

# The user of the bake is still connected: its name goes now, its processes with the machine.
if [ -n "${DEVCTL_BAKE_USER:-}" ] && id "$DEVCTL_BAKE_USER" >/dev/null 2>&1; then
  userdel --force --remove "$DEVCTL_BAKE_USER" 2>/dev/null || true
  if id "$DEVCTL_BAKE_USER" >/dev/null 2>&1; then die "the user $DEVCTL_BAKE_USER of the bake cannot be removed"; fi
  rm -f "/etc/sudoers.d/90-cloud-init-users" "/etc/sudoers.d/$DEVCTL_BAKE_USER"
fi
