#!/usr/bin/env perl
# Writes Sources/HeedTokenizers/Unicode/UnicodeScripts.swift: which script each character belongs to, from the Unicode
# data of Perl (its version is written into the file):
#
#     perl Scripts/generate-unicode-scripts.pl
#
# SentencePiece's trainers do not let a piece hold characters of two scripts.
use strict;
use warnings;
use Unicode::UCD qw(charscripts);
use FindBin;

my %scripts = %{charscripts()};
my @names = sort keys %scripts;
my @ranges;
for my $number (0 .. $#names) {
    next if $names[$number] eq 'Common' || $names[$number] eq 'Zzzz' || $names[$number] eq 'Unknown';
    push @ranges, [$_->[0], $_->[1], $number] for @{$scripts{$names[$number]}};
}
@ranges = sort { $a->[0] <=> $b->[0] } @ranges;
my @joined;
for my $range (@ranges) {
    if (@joined && $joined[-1][1] + 1 == $range->[0] && $joined[-1][2] == $range->[2]) {
        $joined[-1][1] = $range->[1];
    } else {
        push @joined, [@$range];
    }
}
my %number = map { $names[$_] => $_ } 0 .. $#names;
my $last = 0;
my @lines = ('');
for my $range (@joined) {
    my $entry = sprintf('%x %x %x ', $range->[0] - $last, $range->[1] - $range->[0], $range->[2]);
    push @lines, '' if length($lines[-1]) + length($entry) > 112;
    $lines[-1] .= $entry;
    $last = $range->[1];
}
my $body = join("\\\n", map { "        $_" } @lines);
my $version = Unicode::UCD::UnicodeVersion();
open my $out, '>', "$FindBin::Bin/../Sources/HeedTokenizers/Unicode/UnicodeScripts.swift" or die $!;
print $out <<"END";
// Made by Scripts/generate-unicode-scripts.pl from Unicode $version. Do not edit.

/// The script of every character (UAX 24), of Unicode $version.
enum UnicodeScripts {
    static let han: UInt8 = $number{Han}
    static let hiragana: UInt8 = $number{Hiragana}
    static let katakana: UInt8 = $number{Katakana}
    static let inherited: UInt8 = $number{Inherited}
    /// Characters of no script of their own, and those that the version does not know.
    static let common: UInt8 = 255

    /// Runs of characters in hexadecimal: distance from the last run's end, length less one, script.
    private static let runs: StaticString = \"\"\"
$body
        \"\"\"

    /// The first and last character of each run, and its script.
    private static let table: [(first: UInt32, last: UInt32, script: UInt8)] = {
        var table: [(first: UInt32, last: UInt32, script: UInt8)] = []
        var numbers: [UInt32] = []
        var number: UInt32 = 0
        var last: UInt32 = 0
        runs.withUTF8Buffer { text in
            for byte in text {
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt32(byte - 0x30)
                case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt32(byte - 0x57)
                default:
                    numbers.append(number)
                    number = 0
                    if numbers.count == 3 {
                        let first = last + numbers[0]
                        last = first + numbers[1]
                        table.append((first, last, UInt8(truncatingIfNeeded: numbers[2])))
                        numbers.removeAll(keepingCapacity: true)
                    }
                }
            }
        }
        return table
    }()

    /// The number of a character's script; O(log runs).
    static func script(_ scalar: UInt32) -> UInt8 {
        var low = 0
        var high = table.count
        while low < high {
            let middle = (low + high) / 2
            if table[middle].last < scalar { low = middle + 1 } else { high = middle }
        }
        guard low < table.count, table[low].first <= scalar else { return common }
        return table[low].script
    }
}
END
close $out;
print "UnicodeScripts.swift: ", scalar(@joined), " runs of Unicode $version\n";
