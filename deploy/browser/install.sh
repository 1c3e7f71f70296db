#!/bin/sh
# Puts the browser part in place: the extension and the agent's native messaging host.
#
#   install.sh forced   --agent FILE --state FOLDER [--socket FILE] [--root FOLDER]
#   install.sh unpacked --agent FILE --state FOLDER [--socket FILE] --profile FOLDER
#
# forced    as root: packs the extension with a key made on this machine, and has Chromium's managed policy install it
#           for everybody. Chromium fetches the package from this disk, but not at all where it is started with
#           --disable-background-networking. --root puts the policy and the host's manifest under another root folder.
# unpacked  without root: copies the extension, and lets one browser profile use the host. Start Chromium with
#           --user-data-dir=PROFILE --load-extension=STATE/extension.
#
# --agent   the lapwing-agent program. --state is a folder for the package and its key. --socket is the service's
#           socket, where it is not the usual one.
# Prints the extension's id and nothing else; says why on standard error and exits 1 where it cannot.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
source=$here/../../agent/extension
host=uk.lapwing.host

fail() {
	echo "install.sh: $1" >&2
	exit "${2:-1}"
}

# An id is the first 128 bits of a SHA-256, in the letters a to p.
id_of() {
	sha256sum | cut -c 1-32 | tr '0-9a-f' 'a-p'
}

# Writes template $1 to $2, with its marks replaced. No value holds a `|`.
fill() {
	sed -e "s|@ID@|$id|g" -e "s|@HOST@|$state/browser-host|g" -e "s|@VERSION@|$version|g" \
		-e "s|@UPDATE_URL@|file://$state/update.xml|g" -e "s|@CODEBASE@|file://$state/lapwing.crx|g" "$here/$1" >"$2"
}

# A browser starts its host with arguments of its own choice, so the role is named by a script.
write_host() {
	printf '#!/bin/sh\nexec "%s" browser-host%s "$@"\n' "$agent" "${socket:+ --socket \"$socket\"}" >"$state/browser-host"
	chmod 755 "$state/browser-host"
}

copy_extension() {
	rm -rf "$state/extension"
	mkdir -p "$state/extension"
	cp "$source"/manifest.json "$source"/*.js "$state/extension/"
}

# Packs with the key of this machine, which is made at the first run and never leaves it.
pack() {
	command -v openssl >/dev/null || fail "openssl is not installed"
	if ! [ -e "$state/extension.pem" ]; then
		(umask 077 && openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$state/extension.pem" 2>/dev/null)
	fi
	chromium=$(command -v chromium || command -v google-chrome || command -v microsoft-edge) ||
		fail "no Chromium to pack the extension with"
	scratch=$(mktemp -d)
	# A browser that packs wants a home and no display.
	HOME=$scratch "$chromium" --no-sandbox --user-data-dir="$scratch/profile" --no-message-box \
		--pack-extension="$state/extension" --pack-extension-key="$state/extension.pem" >"$scratch/log" 2>&1 ||
		{ cat "$scratch/log" >&2; fail "chromium could not pack the extension"; }
	# The browser's last processes may still write there for a moment.
	for _ in 1 2 3 4 5; do rm -rf "$scratch" 2>/dev/null && break || sleep 1; done
	mv -f "$state/extension.crx" "$state/lapwing.crx"
}

install_forced() {
	copy_extension
	pack
	id=$(openssl pkey -in "$state/extension.pem" -pubout -outform DER | id_of)
	fill update.xml.in "$state/update.xml"
	chmod 755 "$state"
	chmod 644 "$state/update.xml" "$state/lapwing.crx"
	for browser in chromium opt/chrome opt/edge; do
		mkdir -p "$root/etc/$browser/native-messaging-hosts" "$root/etc/$browser/policies/managed"
		fill "$host.json.in" "$root/etc/$browser/native-messaging-hosts/$host.json"
		fill policy.json.in "$root/etc/$browser/policies/managed/lapwing.json"
	done
}

install_unpacked() {
	[ -n "$profile" ] || fail "unpacked needs --profile" 64
	copy_extension
	# Chromium names an extension without a key by the path it was loaded from.
	id=$(printf '%s' "$(cd "$state/extension" && pwd -P)" | id_of)
	mkdir -p "$profile/NativeMessagingHosts"
	fill "$host.json.in" "$profile/NativeMessagingHosts/$host.json"
}

way=${1:-}
[ "$#" -gt 0 ] && shift
agent='' state='' socket='' profile='' root=''
while [ "$#" -gt 0 ]; do
	[ "$#" -ge 2 ] || fail "$1 needs a value" 64
	case $1 in
	--agent) agent=$2 ;;
	--state) state=$2 ;;
	--socket) socket=$2 ;;
	--profile) profile=$2 ;;
	--root) root=$2 ;;
	*) fail "unknown option $1" 64 ;;
	esac
	shift 2
done
[ -n "$state" ] || fail "--state is missing" 64
[ -x "$agent" ] || fail "--agent is not a program: $agent" 64
case $state$agent$socket in *[\|\"\ ]*) fail "--state, --agent and --socket hold no space, quote or bar" 64 ;; esac

mkdir -p "$state"
state=$(cd "$state" && pwd -P)
agent=$(cd "$(dirname "$agent")" && pwd -P)/$(basename "$agent")
version=$(sed -n 's/.*"version": "\(.*\)".*/\1/p' "$source/manifest.json")
write_host
case $way in
forced) install_forced ;;
unpacked) install_unpacked ;;
*) fail "say forced or unpacked" 64 ;;
esac
echo "$id"
