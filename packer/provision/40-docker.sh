#!/usr/bin/env bash
# Docker Engine, Buildx, Compose and what it takes to run them without root. The engine of the machine itself stays off.
. "$(dirname "$0")/lib.sh"

say "Docker from $DEVCTL_SOURCE_DOCKER"
apt_install uidmap slirp4netns dbus-user-session fuse-overlayfs iptables
if [ "$DEVCTL_SOURCE_DOCKER" = official ]; then
  key=/etc/apt/keyrings/docker.asc
  if [ ! -e "$key" ]; then
    scratch
    fetch https://download.docker.com/linux/ubuntu/gpg "$(pinned DOCKER_KEY_SHA256)" "$SCRATCH/docker.asc"
    found=$(gpg --homedir "$SCRATCH" --batch --quiet --show-keys --with-colons "$SCRATCH/docker.asc" | awk -F: '$1 == "fpr" { print $10; exit }')
    [ "$found" = "$DOCKER_KEY_FINGERPRINT" ] || die "Docker's key is $found, and versions.env says $DOCKER_KEY_FINGERPRINT"
    install -D -m 0644 "$SCRATCH/docker.asc" "$key"
  fi
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  echo "deb [arch=$ARCH signed-by=$key] https://download.docker.com/linux/ubuntu $codename stable" >/etc/apt/sources.list.d/docker.list
  # One line of the engine: a bake is not the place to meet the next major.
  printf 'Package: docker-ce docker-ce-cli docker-ce-rootless-extras\nPin: version 5:%s.*\nPin-Priority: 1001\n' "$DOCKER_MAJOR" \
    >/etc/apt/preferences.d/docker
  apt_install docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin docker-ce-rootless-extras
else
  apt_install docker.io rootlesskit
fi

# Nothing of this machine runs an engine as root.
systemctl disable --quiet docker.service docker.socket containerd.service
for unit in devctl.slice devctl-workload.slice devctl-docker.service devctl-docker-seed.service; do put "etc/systemd/system/$unit"; done
put usr/lib/devctl/dockerd-rootless 0755
put usr/lib/devctl/seed-docker 0755
systemctl enable --quiet devctl-docker-seed.service
