#!/usr/bin/env bash
# Installs Debian's Chromium, in which the pages of kubectl vip ui are tested, unless it or Chrome is installed.
set -euo pipefail

for program in chromium chromium-browser google-chrome; do
  if command -v "$program" >/dev/null; then
    exit 0
  fi
done
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  sudo=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
chromium --version
