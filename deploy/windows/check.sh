#!/bin/sh
# Type-checks the agent for Windows from Linux, with Debian's newer compiler and the standard library's source.
#
# Needs the packages rustc-web, rust-web-src and gcc-mingw-w64-x86-64; says which is missing, and skips, where one is.
# Exits 0 when the agent type-checks or the check was skipped, otherwise with cargo's code.
set -eu

cd "$(dirname -- "$0")/../.."

target=x86_64-pc-windows-gnu
compiler=/usr/bin/rustc
# A folder of its own: another compiler would rebuild the usual one from the start.
export CARGO_TARGET_DIR="${LAPWING_WINDOWS_TARGET_DIR:-$HOME/.cache/lapwing/windows-target}"

for package in rustc-web rust-web-src gcc-mingw-w64-x86-64; do
	if ! dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed'; then
		echo "skipped: the check for Windows, because $package is not installed"
		exit 0
	fi
done

# -Zbuild-std compiles the standard library from source, which only an unstable compiler does unasked.
RUSTC=$compiler RUSTC_BOOTSTRAP=1 CARGO_INCREMENTAL=0 cargo check --locked -p lapwing-agent \
	-Zbuild-std=std,panic_unwind --target "$target" "$@"
echo "passed: the agent type-checks for $target"
