#!/usr/bin/env bash
# Python 3.11 or newer as `python3`, with venv, pip and uv.
. "$(dirname "$0")/lib.sh"

if [ "$DEVCTL_SOURCE_UV" = official ]; then
  say "uv $UV_VERSION"
  if [ "$(uv --version 2>/dev/null | cut -d' ' -f2)" != "$UV_VERSION" ]; then
    scratch
    sha256=$(pinned "UV_SHA256_$ARCH_KEY")
    fetch "https://github.com/astral-sh/uv/releases/download/$UV_VERSION/uv-$ARCH_GNU-unknown-linux-gnu.tar.gz" "$sha256" "$SCRATCH/uv.tar.gz"
    tar -C "$SCRATCH" --strip-components=1 --no-same-owner -xf "$SCRATCH/uv.tar.gz"
    install -m 0755 "$SCRATCH/uv" "$SCRATCH/uvx" /usr/local/bin/
  fi
fi

newest() { python3 -c "import sys; sys.exit(sys.version_info < tuple(map(int, '$PYTHON_MIN'.split('.'))))"; }
if ! newest; then
  # The distribution's tools go on with its own /usr/bin/python3; everybody else finds this one first.
  say "Python $PYTHON_FALLBACK beside the distribution's"
  command -v uv >/dev/null || die "python3 is older than $PYTHON_MIN, and without uv (DEVCTL_SOURCE_UV) there is none to be had"
  UV_PYTHON_INSTALL_DIR=/usr/local/lib/python uv python install "$PYTHON_FALLBACK"
  ln -sf "$(UV_PYTHON_INSTALL_DIR=/usr/local/lib/python uv python find "$PYTHON_FALLBACK")" /usr/local/bin/python3
fi
python3 --version
