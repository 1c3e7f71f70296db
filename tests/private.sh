#!/usr/bin/env bash
# Runs a command in a mount namespace of its own, as root, with the accounts of the sample school: three people who sign in at the
# keyboard (lw-pupil, lw-staff, lw-class), each with a home in a scratch folder, and an empty browser policy folder.
# Nothing outside the namespace changes, and the scratch folder goes when the command ends.
#
#   tests/private.sh COMMAND [ARG ...]
set -euo pipefail

if [ "$(id -u)" != 0 ]; then
    echo "tests/private.sh: must be root to make a mount namespace" >&2
    exit 2
fi
if [ "${1:-}" != --inside ]; then
    exec unshare --mount --propagation private bash "$0" --inside "$@"
fi
shift

scratch=$(mktemp -d /tmp/lapwing-private-XXXXXX)
chmod 755 "$scratch"
cleanup() {
    cd /
    # Sticks that a story left mounted, then what this script laid over /etc.
    { findmnt -rno TARGET | grep "^$scratch/" || true; } | sort -r | while read -r place; do umount -l "$place"; done
    rm -rf --one-file-system "$scratch"
}
trap cleanup EXIT
# A signal to this script goes to the command, by its own id; the script goes on until that has tidied up.
trap 'pass_on TERM' TERM
trap 'pass_on INT' INT
pass_on() {
    [ -z "${command_id:-}" ] || kill "-$1" "$command_id" 2>/dev/null || true
}

mkdir "$scratch/etc" "$scratch/home"
cp /etc/passwd /etc/group "$scratch/etc/"
printf 'pupils:x:4300:lw-pupil\nstaff-members:x:4301:lw-staff\n' >>"$scratch/etc/group"
id=4201
for name in lw-pupil lw-staff lw-class; do
    printf '%s:x:%s:\n' "$name" "$id" >>"$scratch/etc/group"
    printf '%s:x:%s:%s::%s/home/%s:/bin/bash\n' "$name" "$id" "$id" "$scratch" "$name" >>"$scratch/etc/passwd"
    mkdir -p "$scratch/home/$name/Downloads" "$scratch/home/$name/Desktop"
    chown -R "$id:$id" "$scratch/home/$name"
    chmod 700 "$scratch/home/$name"
    id=$((id + 1))
done
mount --bind "$scratch/etc/passwd" /etc/passwd
mount --bind "$scratch/etc/group" /etc/group
if [ -d /etc/chromium ]; then
    cp -a /etc/chromium "$scratch/etc/chromium"
    mount --bind "$scratch/etc/chromium" /etc/chromium
    mkdir -p /etc/chromium/policies/managed /etc/chromium/native-messaging-hosts
fi
mkdir -p /tmp/.X11-unix
chmod 1777 /tmp/.X11-unix

export LAPWING_PRIVATE="$scratch"
# What is typed goes to the command: without this, one in the background reads nothing.
"$@" <&0 &
command_id=$!
while :; do
    status=0
    wait "$command_id" || status=$?
    # A signal ends the wait before the command has ended.
    kill -0 "$command_id" 2>/dev/null || exit "$status"
done
