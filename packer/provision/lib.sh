# What every step of the provisioning uses. Sourced by the steps, by verify.sh, and by nothing else.
# shellcheck shell=bash
set -euo pipefail

# The folder that holds provision/, files/, versions.env and caches.json, on the machine that is provisioned.
IMAGE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=../versions.env
. "$IMAGE_DIR/versions.env"

# Where things come from. On the image that boxes run, each has its first value; anything else is a replacement, which is told at the
# end, kept in the image's report, and refused by a bake (DEVCTL_STRICT=1).
: "${DEVCTL_SOURCE_NODE:=official}"             # official | a folder laid out as Node's own archive
: "${DEVCTL_SOURCE_UV:=official}"               # official | none
: "${DEVCTL_SOURCE_DOCKER:=official}"           # official | debian: the distribution's packages, with no Buildx and Compose where it has none
: "${DEVCTL_SOURCE_AWS_CLI:=official}"          # official | none
: "${DEVCTL_SOURCE_SSM_AGENT:=official}"        # official | none
: "${DEVCTL_SOURCE_CLOUDWATCH_AGENT:=official}" # official | none
: "${DEVCTL_SOURCE_PIP_CACHE:=official}"        # official | none
: "${DEVCTL_SOURCE_DOCKER_IMAGES:=official}"    # official | none
SOURCES=(NODE UV DOCKER AWS_CLI SSM_AGENT CLOUDWATCH_AGENT PIP_CACHE DOCKER_IMAGES)

# What devctl itself consists of, as `npm run build` leaves it.
: "${DEVCTL_DIST:=$IMAGE_DIR/../dist}"
: "${DEVCTL_STRICT:=0}"

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
ARCH=$(dpkg --print-architecture)
case $ARCH in
amd64) ARCH_NODE=x64 ARCH_GNU=x86_64 ARCH_KEY=AMD64 ;;
arm64) ARCH_NODE=arm64 ARCH_GNU=aarch64 ARCH_KEY=ARM64 ;;
*)
  echo "devctl image: no image for the architecture $ARCH: amd64 and arm64 are known" >&2
  exit 1
  ;;
esac
export ARCH_NODE ARCH_GNU ARCH_KEY

say() { printf '== %s\n' "$*"; }

die() {
  printf 'devctl image: %s\n' "$*" >&2
  exit 1
}

source_of() { # source_of NAME: the value of DEVCTL_SOURCE_NAME
  local name=DEVCTL_SOURCE_$1
  printf '%s' "${!name}"
}

replaced() { # the sources that are not those of the real image, one a line
  local name value
  for name in "${SOURCES[@]}"; do
    value=$(source_of "$name")
    if [ "$value" != official ]; then printf 'DEVCTL_SOURCE_%s=%s\n' "$name" "$value"; fi
  done
}

pinned() { # pinned NAME: the checksum of that name in versions.env; an empty one ends the bake
  local value=${!1:-}
  [ -n "$value" ] || die "versions.env has no $1: run packer/pin.sh, review what it writes, and commit it"
  printf '%s' "$value"
}

fetch() { # fetch URL SHA256 FILE: the file, whole and as pinned, or an error
  local url=$1 sha256=$2 file=$3 got
  curl --fail --silent --show-error --location --proto '=https' --retry 3 --retry-delay 2 --connect-timeout 20 --max-time 600 \
    --output "$file.partial" "$url" || die "cannot fetch $url"
  got=$(sha256sum "$file.partial" | cut -d' ' -f1)
  if [ "$got" != "$sha256" ]; then
    rm -f "$file.partial"
    die "$url has the checksum $got, and versions.env says $sha256: nothing of it is used"
  fi
  mv "$file.partial" "$file"
}

apt_install() { # apt_install PACKAGE...: what is missing of them
  local name missing=()
  for name in "$@"; do
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true)" != installed ]; then missing+=("$name"); fi
  done
  if [ ${#missing[@]} -eq 0 ]; then return 0; fi
  if [ -z "${APT_UPDATED:-}" ]; then
    apt-get update -qq
    APT_UPDATED=1
  fi
  apt-get install -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" >/dev/null
}

npm_checked() { # npm_checked PACKAGE VERSION INTEGRITY: the registry has that package as it was reviewed
  local got
  got=$(npm view "$1@$2" dist.integrity)
  [ "$got" = "$3" ] || die "the registry gives $1@$2 as ${got:-nothing}, and versions.env says $3: nothing of it is used"
}

put() { # put PATH [MODE]: a file of packer/files, where it belongs
  install -D -m "${2:-0644}" -o root -g root "$IMAGE_DIR/files/$1" "/$1"
}

scratch() { # a folder that is gone with the step
  SCRATCH=$(mktemp -d)
  trap 'rm -rf "$SCRATCH"' EXIT
}
