#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Refuses to write into a folder that holds something which this command did not write, unless told to.
///
/// A folder that is missing or empty is free. Files that a killed process was still writing (`NAME.tmp-…`) count for
/// nothing.
/// - Parameters:
///   - isOwn: whether a name in the folder is this command's own, which may be written over.
///   - overwrite: whether the user said that anything may be.
///   - way: what to do instead, as a sentence without its full stop.
/// - Throws: `HeedError` (`usage`) naming the folder and what it holds.
package func requireFreeFolder(
    _ path: String, overwrite: Bool, isOwn: (String) -> Bool = { _ in false },
    way: String = "Choose another `output`, or write over it with `overwrite`"
) throws {
    guard fileExists(path) else { return }
    guard isDirectory(path) else {
        throw HeedError(.usage, "the place for the result is a file", in: path, expected: "a new or empty folder")
    }
    let others = try listDirectory(path).filter { !isOwn($0) && !isTemporaryName($0) }
    guard !others.isEmpty, !overwrite else { return }
    let shown = others.prefix(3).joined(separator: ", ") + (others.count > 3 ? " and \(others.count - 3) more" : "")
    throw HeedError(
        .usage, "the folder holds something that this command did not write", in: path,
        expected: "a new or empty folder", got: shown, advice: way)
}

/// Refuses to write over a file that this command did not write, unless told to.
///
/// A file that is missing or empty is free, and so is what is no regular file (`/dev/stdout`).
/// - Parameters:
///   - isOwn: whether the file looks like what this command writes.
///   - overwrite: whether the user said that it may be anything.
/// - Throws: `HeedError` (`usage`) naming the file.
package func requireFreeFile(
    _ path: String, overwrite: Bool, isOwn: (String) -> Bool = { _ in false }
) throws {
    var information = stat()
    guard !overwrite, stat(path, &information) == 0, information.st_mode & S_IFMT == S_IFREG, information.st_size > 0,
        !isOwn(path)
    else { return }
    throw HeedError(
        .usage, "the file holds something that this command did not write", in: path,
        expected: "a new file", got: "\(grouped(Int(information.st_size))) bytes",
        advice: "Choose another name, or write over it with `overwrite`")
}

/// Whether two paths lead to the same file or folder, links followed.
package func isSamePlace(_ one: String, _ other: String) -> Bool {
    var (first, second) = (stat(), stat())
    guard stat(one, &first) == 0, stat(other, &second) == 0 else { return false }
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino
}

/// The path from the root of the file system, links unresolved; `folder` is where a relative path begins.
package func absolutePath(_ path: String) -> String {
    if path.hasPrefix("/") || path == "-" { return path }
    guard let folder = getcwd(nil, 0) else { return path }
    defer { free(folder) }
    return joinPath(String(cString: folder), path)
}

/// Whether a name is `NAME.tmp-PROCESS-NUMBER`, as atomic writing calls a file until it is whole.
package func isTemporaryName(_ name: String) -> Bool {
    let bytes = Array(name.utf8)
    let mark = Array(".tmp-".utf8)
    guard bytes.count > mark.count else { return false }
    for start in stride(from: bytes.count - mark.count, through: 1, by: -1)
    where Array(bytes[start..<start + mark.count]) == mark {
        let rest = bytes[(start + mark.count)...]
        return !rest.isEmpty && rest.allSatisfy { $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) }
    }
    return false
}
