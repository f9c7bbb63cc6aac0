#!/usr/bin/env bash
# Whether this machine, or root folder with chroot, is a whole box: tools and their versions, units, caches, hardening. It looks at
# everything, names all that is wrong, and fails then. It is the end of a bake, and may be run on a box.
if [ -r /etc/devctl/image.json ]; then
  # What was replaced when this was made is not looked for.
  while IFS='=' read -r name value; do export "$name=$value"; done < <(
    grep -oE '"DEVCTL_SOURCE_[A-Z_]+=[^"]*"' /etc/devctl/image.json | tr -d '"'
  )
fi
# shellcheck source=provision/lib.sh
. "$(dirname "$0")/provision/lib.sh"
set +e
WRONG=()
LOOKED=0

wrong() { WRONG+=("$*"); }

ok() { # ok WHAT COMMAND...: WHAT is wrong when the command fails
  local what=$1
  shift
  LOOKED=$((LOOKED + 1))
  "$@" >/dev/null 2>&1 || wrong "$what"
}

is() { # is WHAT WANTED GOT
  LOOKED=$((LOOKED + 1))
  [ "$2" = "$3" ] || wrong "$1: ${3:-nothing}, and should be $2"
}

official() { [ "$(source_of "$1")" = official ]; }
number() { "$@" 2>/dev/null | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1; }

tools() {
  local tool
  for tool in git tmux jq curl nft mkfs.xfs xfs_growfs mkfs.ext4 resize2fs blkid setpriv ip ss python3 pip3 node npm npx \
    docker dockerd rootlesskit slirp4netns newuidmap newgidmap fuse-overlayfs claude cdk devctl devctl-agent; do
    ok "tool $tool is missing" command -v "$tool"
  done
  is "version of node" "v$NODE_VERSION" "$(node --version 2>/dev/null)"
  is "version of CDK" "$AWS_CDK_VERSION" "$(number cdk --version)"
  is "version of Claude Code" "$CLAUDE_CODE_VERSION" "$(number claude --version)"
  is "version of node-pty" "$NODE_PTY_VERSION" "$(jq -r .version /opt/devctl/node_modules/@lydell/node-pty/package.json 2>/dev/null)"
  ok "python3 is older than $PYTHON_MIN" python3 -c "import sys; sys.exit(sys.version_info < tuple(map(int, '$PYTHON_MIN'.split('.'))))"
  ok "python3 has no venv" python3 -c 'import venv, ensurepip'
  ok "package dbus-user-session is missing" dpkg-query -W dbus-user-session
  ok "rootless start script of Docker is missing" sh -c 'test -x /usr/bin/dockerd-rootless.sh || test -x /usr/share/docker.io/contrib/dockerd-rootless.sh'
  if official UV; then is "version of uv" "$UV_VERSION" "$(number uv --version)"; fi
  if official DOCKER; then
    is "major version of Docker" "$DOCKER_MAJOR" "$(number dockerd --version | cut -d. -f1)"
    ok "Buildx is missing" docker buildx version
    ok "Compose is missing" docker compose version
  fi
  if official AWS_CLI; then is "version of AWS CLI" "$AWS_CLI_VERSION" "$(number aws --version)"; fi
  if official SSM_AGENT; then
    ok "Systems Manager agent is missing" test -x /usr/bin/amazon-ssm-agent
    ok "unit amazon-ssm-agent.service is not enabled" systemctl is-enabled amazon-ssm-agent.service
  fi
  if official CLOUDWATCH_AGENT; then
    ok "CloudWatch agent is missing" test -x /opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl
  fi
}

devctl_itself() {
  local file key
  for file in agent.cjs devctl.cjs; do ok "/opt/devctl/$file is missing, or no program" node --check "/opt/devctl/$file"; done
  ok "terminals (node-pty) cannot be loaded" node -e 'require("/opt/devctl/node_modules/@lydell/node-pty").spawn'
  ok "devctl does not run" devctl --version
  for key in .machine .paths.workspace .paths.run .disk .user.uid .cgroup .agentPort .egressPort .env.PATH .env.HOME .limits.stopGraceMs .log .powerOff; do
    ok "/etc/devctl/agent.json has no $key" jq -e "$key" /etc/devctl/agent.json
  done
  ok "/etc/devctl/cloudwatch.json is no JSON" jq -e .logs /etc/devctl/cloudwatch.json
  ok "/etc/devctl/claude/mcp.json is no JSON" jq -e .mcpServers /etc/devctl/claude/mcp.json
}

files() { # every file of the image is as it was written
  local path
  while read -r path; do
    ok "/$path is missing, or not what the image has" cmp "/opt/devctl/image/files/$path" "/$path"
    is "owner of /$path" root:root "$(stat -c %U:%G "/$path" 2>/dev/null)"
    ok "/$path can be written by others" sh -c "! find '/$path' -perm /022 | grep -q ."
  done < <(cd /opt/devctl/image/files && find . -type f -printf '%P\n' | sort)
}

units() {
  local unit
  for unit in devctl-agent.service devctl-firewall.service run-devctl.mount run-devctl-secrets.mount devctl-docker-seed.service devctl-cloudwatch.service systemd-networkd.service; do
    is "unit $unit" enabled "$(systemctl is-enabled "$unit" 2>/dev/null)"
  done
  is "unit devctl-docker.service, which the agent starts," static "$(systemctl is-enabled devctl-docker.service 2>/dev/null)"
  while read -r unit _; do
    case $unit in '' | '#'*) continue ;; esac
    is "unit $unit" /dev/null "$(readlink "/etc/systemd/system/$unit")"
  done </etc/devctl/masked-units
  is "units of devctl by systemd-analyze verify" valid "$(unit_faults | tr '\n' ' ' | grep . || echo valid)"
}

unit_files() { find /etc/systemd/system -maxdepth 1 -type f \( -name 'devctl*' -o -name 'run-devctl*' \) | sort; }

unit_faults() { # systemd-analyze tells of every unit that it meets; what counts is ours
  # shellcheck disable=SC2046 # names of units have no spaces
  systemd-analyze verify --man=no --generators=no $(unit_files) 2>&1 | grep devctl | grep -v 'Failed to prepare filename'
}

hardening() {
  local user found
  is "user dev" "1000:1000:/workspace/home:/bin/bash" "$(getent passwd dev | cut -d: -f3,4,6,7)"
  is "groups of dev" dev "$(id -nG dev 2>/dev/null)"
  for file in /etc/subuid /etc/subgid; do ok "$file has no range for dev" grep -qx 'dev:100000:65536' "$file"; done
  ok "dev may use sudo" sh -c '! grep -rqsE "^[[:space:]]*dev[[:space:]]" /etc/sudoers /etc/sudoers.d'
  while IFS=: read -r user found _; do
    case $found in '' | [!\!*]*) wrong "user $user has a password, or needs none" ;; esac
  done </etc/shadow
  found=$(awk -F: '$3 >= 1000 && $3 < 60000 && $1 != "dev" && $1 != "nobody" { print $1 }' /etc/passwd | tr '\n' ' ')
  is "users beside dev" none "${found:-none}"
  ok "user bake is still there" sh -c '! id bake'
  ok "/etc/fstab has swap" sh -c '! grep -qE "^[^#].*[[:space:]]swap[[:space:]]" /etc/fstab'
  if [ -d /run/systemd/system ]; then is "active swaps" 0 "$(tail -n +2 /proc/swaps | wc -l)"; fi
  is "machine-id" 0 "$(if [ -d /run/systemd/system ] && [ "${DEVCTL_STRICT:-0}" != 1 ]; then echo 0; else stat -c %s /etc/machine-id; fi)"
  if [ -d /etc/cloud ]; then ok "cloud-init is not off" test -e /etc/cloud/cloud-init.disabled; fi
  found=$(find /root /home /etc -xdev \( -name authorized_keys -o -name 'ssh_host_*_key' -o -path '*/.aws/credentials' -o -path '*/.docker/config.json' \) 2>/dev/null | tr '\n' ' ')
  is "keys and credentials" none "${found:-none}"
  ok "the firewall does not know both addresses of the metadata service" sh -c \
    'grep -q "ip daddr 169.254.169.254 meta skuid 0 accept" /etc/devctl/firewall.nft && grep -q "ip6 daddr fd00:ec2::254 meta skuid 0 accept" /etc/devctl/firewall.nft'
  ok "the firewall cannot be loaded: nft --check --file /etc/devctl/firewall.nft" nft --check --file /etc/devctl/firewall.nft
  found=$(find /opt/devctl /etc/devctl /usr/lib/devctl /usr/local/bin /usr/local/lib/node/bin /var/cache/devctl -perm -0002 ! -type l 2>/dev/null | head -n 3 | tr '\n' ' ')
  is "what everybody may write" none "${found:-none}"
}

caches() {
  local name wheel archives
  ok "cache of npm is missing, or damaged" tar -tf /var/cache/devctl/npm.tar
  while read -r name; do
    # shellcheck disable=SC2016 # a variable of jq's
    ok "cache of npm has no $name" jq -e --arg name "$name" 'any(.[]; .name == $name)' /var/cache/devctl/npm.json
  done < <(jq -r '.npm | keys[]' "$IMAGE_DIR/caches.json")
  if official PIP_CACHE; then
    while read -r name; do
      wheel=$(printf '%s' "$name" | sed -E 's/[^A-Za-z0-9].*//')
      ok "cache of pip has no $name" sh -c "ls /var/cache/devctl/wheels | grep -qi '^${wheel}[-_]'"
    done < <(jq -r '.pip[]' "$IMAGE_DIR/caches.json")
  fi
  ok "/etc/pip.conf does not name the cache" grep -q /var/cache/devctl/wheels /etc/pip.conf
  if official DOCKER_IMAGES; then
    archives=$(find /var/cache/devctl/docker -name '*.tar' | wc -l)
    is "base images of Docker" "$(jq '.docker | length' "$IMAGE_DIR/caches.json")" "$archives"
  fi
}

report() {
  ok "/etc/devctl/image.json is missing, or no report" jq -e '.schema and .versions.node and .caches.npm.bytes > 0' /etc/devctl/image.json
  if [ "$DEVCTL_STRICT" = 1 ]; then is "replaced sources" none "$(replaced | tr '\n' ' ' | grep . || echo none)"; fi
}

tools
devctl_itself
files
units
hardening
caches
report

if [ -n "$(replaced)" ]; then
  echo "verify: not the image of a real box: these sources were replaced"
  replaced | sed 's/^/  /'
fi
if [ ${#WRONG[@]} -gt 0 ]; then
  echo "verify: ${#WRONG[@]} of $LOOKED are wrong" >&2
  printf '  wrong: %s\n' "${WRONG[@]}" >&2
  exit 1
fi
echo "verify: all $LOOKED are as they should be"
