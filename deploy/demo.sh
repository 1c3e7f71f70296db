#!/usr/bin/env bash
# A short school day on a virtual screen: builds Lapwing, starts a collector and an agent, lets pupils and staff use
# real windows, a real browser, real files and a memory stick, and shows what reaches the Designated Safeguarding
# Lead. Everything it starts and writes goes away when it ends.
#
#   deploy/demo.sh            plays the day, prints the console's address and a sign-in for each role, and waits
#   deploy/demo.sh --check    plays it unattended and exits 1 unless the expected concerns, and no others, arrived
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=deploy/shell/stages.sh
. deploy/shell/stages.sh

case "${1:-}" in
"" | --check) ;;
*)
    echo "usage: deploy/demo.sh [--check]" >&2
    exit 64
    ;;
esac

command -v cargo >/dev/null || {
    echo "Rust is not installed: get it from your distribution or rustup.rs, version 1.95 or later" >&2
    exit 2
}

install() {
    install_packages "${desktop_packages[@]}" python3-aiosmtpd || echo "going on without them: what needs them is left out by name"
    sweep_target
}

build() {
    cargo build --locked --workspace --bins || return
    export LAPWING_PROGRAMS="$CARGO_TARGET_DIR/debug"
}

stage "install" install
stage "build" build
run=("$LAPWING_PROGRAMS/e2e" demo "$@")
if [ "$(id -u)" = 0 ]; then
    run=(tests/private.sh "${run[@]}")
fi
if [ "${1:-}" = --check ]; then
    stage "school day" "${run[@]}"
    stage_times
else
    stage_times
    # Ctrl-C is the way to end it.
    "${run[@]}" || [ $? = 130 ]
fi
