#!/usr/bin/env bash
# Installs what the installation tests need besides Go: Prometheus and promtool, from Debian. Does nothing if they are
# already installed.
set -euo pipefail

if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
  exit 0
fi
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  sudo=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq
# Only the programs are needed, so Prometheus is not left running.
"${sudo[@]}" apt-get install -y -qq --no-install-recommends prometheus >/dev/null
if [ -d /run/systemd/system ]; then
  "${sudo[@]}" systemctl disable --now prometheus >/dev/null 2>&1 || true
fi
promtool --version | head -1
