#!/usr/bin/env bash
# Checks what `import Heed` brings: no free functions, and no type with a name of the standard library or Foundation.
#
#     Scripts/check-names.sh
#
# Every public name is looked up in a file that imports everything but Heed, where it must not be found.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if grep -rnE '^public (func|var|let) ' Sources; then
    echo "Public functions and variables outside types come into every file that imports Heed." >&2
    exit 1
fi
names=$(grep -rhoE '^(@frozen )?public (final |indirect )?(struct|class|enum|protocol|actor|typealias) \w+' Sources |
    awk '{ print $NF }' | sort -u)
{
    for module in Foundation FoundationNetworking FoundationXML Observation Synchronization RegexBuilder; do
        echo "#if canImport($module)"
        echo "import $module"
        echo "#endif"
    done
    for name in $names; do echo "func lookUp$name(_: any $name.Type) {}"; done
} >"$work/names.swift"
swiftc -typecheck "$work/names.swift" >"$work/log" 2>&1 || true
unknown=$(grep -oE "cannot find type '\w+'" "$work/log" | cut -d"'" -f2 | sort -u)
taken=$(comm -23 <(echo "$names") <(echo "$unknown"))
if [ -n "$taken" ]; then
    echo "Public types with names that are taken:" $taken >&2
    exit 1
fi
echo "$(echo "$names" | wc -l) public names, none of them taken."
