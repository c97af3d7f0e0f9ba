#!/usr/bin/env bash
# Records the demo in a terminal with asciinema, and draws it as docs/images/demo.svg with svg-term. Needs Debian or
# Ubuntu, and npx from Node.js.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly width=100 height=34 svg_term=svg-term-cli@2.1.1

if ! command -v asciinema >/dev/null; then
  sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    sudo=(sudo)
  fi
  "${sudo[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends asciinema >/dev/null
fi
hack/demo.sh # builds what is missing, so that the recording begins with the demo itself
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
asciinema rec --quiet --overwrite --cols "$width" --rows "$height" --idle-time-limit 2 --command hack/demo.sh "$scratch/demo.cast"
npx --yes "$svg_term" --in "$scratch/demo.cast" --out docs/images/demo.svg --window --width "$width" --height "$height"
ls -l docs/images/demo.svg
