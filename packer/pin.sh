#!/usr/bin/env bash
# Fills in the checksums that versions.env has none for, from where the bake fetches the files: run it on a machine that reaches them,
# look at the difference, and commit it. A new version is: change the version, empty its checksums, run this. With --all it looks
# again at every one, and fails where a file is not what it was.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=versions.env
. ./versions.env
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
all=${1:-}
case $all in '' | --all) ;; *)
  echo "usage: packer/pin.sh [--all]" >&2
  exit 2
  ;;
esac
failed=0

fetch() { curl --fail --silent --show-error --location --proto '=https' --retry 3 --connect-timeout 20 --max-time 900 --output "$2" "$1"; }

keep() { # keep NAME VALUE: in versions.env, where it has none
  local known=${!1:-}
  if [ -z "$known" ]; then
    sed -i "s|^$1=.*|$1=$2|" versions.env
    echo "$1=$2"
  elif [ "$known" != "$2" ]; then
    echo "$1 is $known in versions.env, and the file has $2" >&2
    failed=1
  fi
}

wanted() { [ -z "${!1:-}" ] || [ -n "$all" ]; }

pin() { # pin NAME URL [LISTED]: the SHA-256 of what lies there, which is also what the vendor's own list says where there is one
  local got
  wanted "$1" || return 0
  if ! fetch "$2" "$scratch/file"; then
    echo "cannot fetch $2 for $1" >&2
    failed=1
    return 0
  fi
  got=$(sha256sum "$scratch/file" | cut -d' ' -f1)
  if [ $# -eq 3 ] && [ "$3" != "$got" ]; then
    echo "$2 has the checksum $got, and the vendor's list says ${3:-nothing}" >&2
    failed=1
  else
    keep "$1" "$got"
  fi
}

pin_node() { # pin_node NAME ARCH
  local file=node-v$NODE_VERSION-linux-$2.tar.xz listed=''
  wanted "$1" || return 0
  if fetch "https://nodejs.org/dist/v$NODE_VERSION/SHASUMS256.txt" "$scratch/sums"; then
    listed=$(awk -v file="$file" '$2 == file { print $1 }' "$scratch/sums")
  fi
  pin "$1" "https://nodejs.org/dist/v$NODE_VERSION/$file" "$listed"
}

pin_npm() { # pin_npm NAME PACKAGE VERSION
  local got
  wanted "$1" || return 0
  if got=$(npm view "$2@$3" dist.integrity) && [ -n "$got" ]; then
    keep "$1" "$got"
  else
    echo "the registry has no $2@$3" >&2
    failed=1
  fi
}

pin_node NODE_SHA256_AMD64 x64
pin_node NODE_SHA256_ARM64 arm64
uv=https://github.com/astral-sh/uv/releases/download/$UV_VERSION
pin UV_SHA256_AMD64 "$uv/uv-x86_64-unknown-linux-gnu.tar.gz"
pin UV_SHA256_ARM64 "$uv/uv-aarch64-unknown-linux-gnu.tar.gz"
pin DOCKER_KEY_SHA256 https://download.docker.com/linux/ubuntu/gpg
pin AWS_CLI_SHA256_AMD64 "https://awscli.amazonaws.com/awscli-exe-linux-x86_64-$AWS_CLI_VERSION.zip"
pin AWS_CLI_SHA256_ARM64 "https://awscli.amazonaws.com/awscli-exe-linux-aarch64-$AWS_CLI_VERSION.zip"
ssm=https://s3.amazonaws.com/ec2-downloads-windows/SSMAgent/$SSM_AGENT_VERSION
pin SSM_AGENT_SHA256_AMD64 "$ssm/debian_amd64/amazon-ssm-agent.deb"
pin SSM_AGENT_SHA256_ARM64 "$ssm/debian_arm64/amazon-ssm-agent.deb"
cloudwatch=https://amazoncloudwatch-agent.s3.amazonaws.com/ubuntu
pin CLOUDWATCH_AGENT_SHA256_AMD64 "$cloudwatch/amd64/$CLOUDWATCH_AGENT_VERSION/amazon-cloudwatch-agent.deb"
pin CLOUDWATCH_AGENT_SHA256_ARM64 "$cloudwatch/arm64/$CLOUDWATCH_AGENT_VERSION/amazon-cloudwatch-agent.deb"
pin_npm CLAUDE_CODE_INTEGRITY @anthropic-ai/claude-code "$CLAUDE_CODE_VERSION"
pin_npm CLAUDE_CODE_LINUX_X64_INTEGRITY @anthropic-ai/claude-code-linux-x64 "$CLAUDE_CODE_VERSION"
pin_npm CLAUDE_CODE_LINUX_ARM64_INTEGRITY @anthropic-ai/claude-code-linux-arm64 "$CLAUDE_CODE_VERSION"
pin_npm AWS_CDK_INTEGRITY aws-cdk "$AWS_CDK_VERSION"
pin_npm NODE_PTY_INTEGRITY @lydell/node-pty "$NODE_PTY_VERSION"
pin_npm NODE_PTY_LINUX_X64_INTEGRITY @lydell/node-pty-linux-x64 "$NODE_PTY_VERSION"
pin_npm NODE_PTY_LINUX_ARM64_INTEGRITY @lydell/node-pty-linux-arm64 "$NODE_PTY_VERSION"
exit "$failed"
