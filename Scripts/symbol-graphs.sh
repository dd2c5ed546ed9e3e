#!/bin/sh
# Writes the public symbols of every library, with their comments, for docc.
#
#     Scripts/symbol-graphs.sh BUILD-FOLDER OUTPUT-FOLDER
#
# BUILD-FOLDER is what swift build made (.build/release).
set -eu
build=$1
output=$2
rm -rf "$output"
mkdir -p "$output"
triple=$(swiftc -print-target-info | sed -n 's/^ *"triple": "\(.*\)",$/\1/p' | head -n 1)
if command -v xcrun > /dev/null; then
    set -- xcrun swift-symbolgraph-extract -sdk "$(xcrun --show-sdk-path)"
else
    set -- swift-symbolgraph-extract
fi
for map in "$build"/*.build/module.modulemap "$build"/*.build/include/module.modulemap; do
    case $map in */CHeedKernels.build/*) [ -f "$map" ] && set -- "$@" -Xcc "-fmodule-map-file=$map" ;; esac
done
for folder in Sources/Heed?*; do
    module=${folder#Sources/}
    [ "$module" = HeedCommand ] && continue
    "$@" -module-name "$module" -I "$build/Modules" -target "$triple" -output-dir "$output" \
        -minimum-access-level public -skip-synthesized-members
done
