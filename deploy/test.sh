#!/usr/bin/env bash
# Installs what the tests need and runs them all: format, lints, unit and property tests, the end-to-end stories on a
# virtual screen, the browser extension's own tests, licences and advisories of dependencies, the systemd units, and the
# type check of the Windows agent.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=deploy/shell/stages.sh
. deploy/shell/stages.sh

test_packages=(python3-aiosmtpd strace libfaketime)
deny_version=0.20.2
windows_packages=(rustc-web rust-web-src gcc-mingw-w64-x86-64)

# A stage runs as a condition, where `set -e` is off: each step says itself that the rest depends on it.
install() {
    install_packages "${desktop_packages[@]}" "${test_packages[@]}" || return
    command -v npm >/dev/null || install_packages nodejs npm || return
    # What drives the console in Chromium; it brings no browser of its own.
    npm install --silent --no-audit --no-fund --prefix "${XDG_CACHE_HOME:-$HOME/.cache}/lapwing/npm" \
        playwright-core@1.64 axe-core@4 || return
    # The Windows check names what is absent itself.
    install_packages "${windows_packages[@]}" || true
    sweep_target
}

lints() {
    cargo fmt --all --check && cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
}

programs() {
    cargo build --locked --workspace --bins --quiet || return
    # The same with the places at which the fault harness ends them; schools never get these.
    cargo build --locked --profile fault --features lapwing-agent/failpoints,lapwing-collector/failpoints --workspace \
        --bin lapwing-agent --bin lapwing-collector --bin lapwing-rules --quiet || return
    # The stories take these, rather than ask cargo again each time.
    export LAPWING_PROGRAMS="$CARGO_TARGET_DIR/debug"
}

rust_tests() {
    local runner=(cargo test --locked --workspace --quiet)
    if cargo nextest --version >/dev/null 2>&1; then
        runner=(cargo nextest run --locked --workspace)
    fi
    if [ "$(id -u)" = 0 ]; then
        tests/private.sh "${runner[@]}"
    else
        echo "not root: the stories that need accounts, browser policy and mounts are left out by name"
        "${runner[@]}"
    fi
}

packs() {
    local tool="$CARGO_TARGET_DIR/debug/lapwing-rules"
    cargo build --locked --quiet -p lapwing-rules || return
    "$tool" fmt --packs rules/packs --check && "$tool" lint --packs rules/packs && "$tool" test --packs rules/packs
}

extension() {
    node --test agent/extension/
}

# Licences, sources and bans need no network; advisories need their database, of today or the last that was fetched.
dependencies() {
    local tools="${XDG_CACHE_HOME:-$HOME/.cache}/lapwing/tools" databases="${CARGO_HOME:-$HOME/.cargo}/advisory-dbs"
    local deny="$tools/bin/cargo-deny"
    if [ "$("$deny" --version 2>/dev/null)" != "cargo-deny $deny_version" ]; then
        CARGO_TARGET_DIR="$tools/target" cargo install --quiet --locked --root "$tools" "cargo-deny@$deny_version" || return
        rm -rf "$tools/target"
    fi
    "$deny" --all-features --locked check --show-stats licenses bans sources || return
    # A fetch that failed leaves the folder behind, with a lock in it and no database.
    if timeout 60 "$deny" --locked fetch db 2>/dev/null || compgen -G "$databases/*/.git" >/dev/null; then
        "$deny" --all-features --locked --offline check advisories
    else
        echo "skipped: advisories, because their database can neither be fetched nor is there one from before"
    fi
}

stage "install" install
stage "lints" lints
stage "programs" programs
stage "tests" rust_tests
stage "rule packs" packs
stage "extension" extension
stage "dependencies" dependencies
stage "systemd units" deploy/linux/check.sh
stage "windows type check" deploy/windows/check.sh
stage_times
