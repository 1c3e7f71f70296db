#!/usr/bin/env bash
# Checks the systemd units beside it: systemd knows every line of theirs, none is more exposed than recorded here, what
# the exposure does not count is still set, and no secret is in a command line or an environment.
#
# Exits 0 when all of that holds, or when the check is skipped because there is no systemd-analyze; otherwise 1, with a
# line for each thing that is wrong.
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C

# Ten times the exposure, by systemd 252. A lower one is recorded here in the same change.
declare -A exposures=([lapwing-agent]=22 [lapwing-collector]=11 [lapwing-session]=59)

# The exposure is rounded, and says nothing of many settings: these stay as they are.
in_all=(
    StartLimitIntervalSec=0 Restart=always MemorySwapMax=0 LimitCORE=0 UMask=0077
    NoNewPrivileges=yes RestrictSUIDSGID=yes LockPersonality=yes MemoryDenyWriteExecute=yes RestrictRealtime=yes
    RestrictNamespaces=yes SystemCallArchitectures=native SystemCallFilter=@system-service
    'SystemCallFilter=~@privileged @resources @aio @keyring @memlock'
)
in_system=(
    Type=notify OOMScoreAdjust=-500 StateDirectoryMode=0700 KeyringMode=private ProtectSystem=strict ReadOnlyPaths=/run
    PrivateTmp=yes PrivateMounts=yes DevicePolicy=closed ProtectClock=yes ProtectHostname=yes ProtectKernelLogs=yes
    ProtectKernelModules=yes ProtectKernelTunables=yes ProtectControlGroups=yes
    'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX'
)
in_agent=(
    WatchdogSec=3min CapabilityBoundingSet=CAP_DAC_READ_SEARCH ProtectHome=read-only ReadWritePaths=-/etc/lapwing
    'InaccessiblePaths=-/root -/boot -/efi -/etc/ssh'
)
in_collector=(
    WatchdogSec=2min User=lapwing CapabilityBoundingSet= ProtectHome=yes PrivateDevices=yes PrivateUsers=yes
    ProtectProc=invisible ProcSubset=pid RemoveIPC=yes
)
in_session=(RestrictAddressFamilies=AF_UNIX)

# What a unit may run. A value on a command line, as one in an environment, is for every account to read.
commands='/usr/bin/lapwing-agent (service|session)
/usr/bin/lapwing-collector serve --config /etc/lapwing/collector\.toml
/bin/kill -HUP [$]MAINPID'

if ! command -v systemd-analyze >/dev/null; then
    echo "skipped: the systemd units, because systemd-analyze is not installed"
    exit 0
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 700 "$scratch"
failures=0

wrong() {
    printf '%s.service: %s\n' "$1" "$2" >&2
    failures=$((failures + 1))
}

# systemd asks that the programs are there: another stands in for them.
verify() {
    local unit=$1 manager=$2 said
    sed 's|^ExecStart=/usr/bin/lapwing-[a-z]*|ExecStart=/bin/true|' "$unit.service" >"$scratch/$unit.service"
    # What other units of this machine lack is not ours: lines that name this one count.
    said=$(XDG_RUNTIME_DIR="$scratch" systemd-analyze "$manager" verify --man=no "$scratch/$unit.service" 2>&1 || true)
    said=$(grep -F "$unit.service" <<<"$said" || true)
    [ -z "$said" ] || wrong "$unit" "systemd does not take it: $said"
}

exposed() {
    local unit=$1 most=${exposures[$1]} said
    if ! said=$(systemd-analyze security --offline=yes --no-pager --threshold="$most" "./$unit.service" 2>&1); then
        printf '%s\n' "$said"
        wrong "$unit" "more exposed than $most tenths, or not to be assessed"
        return
    fi
    tail -n 1 <<<"$said"
}

keeps() {
    local unit=$1 line
    shift
    for line in "$@"; do
        grep -qxF -- "$line" "$unit.service" || wrong "$unit" "lacks the line $line"
    done
}

keeps_secrets() {
    local unit=$1 found
    found=$(grep -E '^ *(Environment|EnvironmentFile|PassEnvironment|SetCredential|SetCredentialEncrypted) *=' \
        "$unit.service" || true)
    [ -z "$found" ] || wrong "$unit" "names an environment or a credential: $found"
    found=$(sed -nE 's/^ *Exec[A-Za-z]* *= *//p' "$unit.service" | grep -vxE "$commands" || true)
    [ -z "$found" ] || wrong "$unit" "runs what is not listed here: $found"
}

for unit in lapwing-agent lapwing-collector; do
    verify "$unit" --system
    keeps "$unit" "${in_system[@]}"
done
verify lapwing-session --user
keeps lapwing-agent "${in_agent[@]}"
keeps lapwing-collector "${in_collector[@]}"
keeps lapwing-session "${in_session[@]}"
for unit in lapwing-agent lapwing-collector lapwing-session; do
    keeps "$unit" "${in_all[@]}"
    keeps_secrets "$unit"
    exposed "$unit"
done
if [ "$failures" -gt 0 ]; then
    echo "failed: the systemd units, by $(systemd-analyze --version | head -n 1)" >&2
    exit 1
fi
echo "passed: the systemd units"
