# Sourced by demo.sh and test.sh: where builds go, what is installed, and how long each stage took.

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/lapwing/target}"
[ -z "${CI:-}" ] || export CARGO_INCREMENTAL=0

# A target folder that grew beyond this many MiB is swept before a build.
max_target_mib=24576

stage_names=()
stage_seconds=()

# stage NAME COMMAND [ARG ...]: runs it, says so, remembers how long it took; ends the script when it fails.
stage() {
    local name=$1 started=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    if ! "$@"; then
        printf '\n== %s FAILED after %d s\n' "$name" "$((SECONDS - started))" >&2
        exit 1
    fi
    stage_names+=("$name")
    stage_seconds+=("$((SECONDS - started))")
}

stage_times() {
    local index
    printf '\n%-28s %8s\n' stage seconds
    for index in "${!stage_names[@]}"; do
        printf '%-28s %8d\n' "${stage_names[$index]}" "${stage_seconds[$index]}"
    done
}

# install_packages NAME ...: Debian packages that are missing, where this user may install them. Left-overs are
# named on standard error and the exit status is 1.
install_packages() {
    local missing=() name
    for name in "$@"; do
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "not installed, and only root can: ${missing[*]}" >&2
        return 1
    fi
    echo "installing ${missing[*]}"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Checkouts share the target folder for the sake of the dependencies, and cargo takes what another one built of the
# workspace for its own where its sources are not newer: that is forgotten when the checkout is another than last time.
claim_targets() {
    local checkout folder
    checkout=$(pwd -P)
    for folder in "$CARGO_TARGET_DIR" "${LAPWING_WINDOWS_TARGET_DIR:-$HOME/.cache/lapwing/windows-target}"; do
        mkdir -p "$folder"
        [ "$(cat "$folder/checkout" 2>/dev/null)" != "$checkout" ] || continue
        find "$folder" -type d -path '*/.fingerprint/*' -prune \
            \( -name 'lapwing-*' -o -name 'e2e-*' -o -name 'bench-*' \) -exec rm -rf {} +
        printf '%s\n' "$checkout" >"$folder/checkout"
    done
}

sweep_target() {
    claim_targets
    local size
    size=$(du -sm "$CARGO_TARGET_DIR" | cut -f1)
    if [ "$size" -gt "$max_target_mib" ]; then
        echo "the target folder holds $size MiB: swept"
        rm -rf "$CARGO_TARGET_DIR"
    fi
}

desktop_packages=(
    chromium xvfb openbox xterm xdotool x11-utils dbus fonts-dejavu-core
    ca-certificates openssl e2fsprogs mount util-linux
)
