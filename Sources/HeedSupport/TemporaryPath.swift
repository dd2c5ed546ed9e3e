#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A path in the system's folder for temporary files that nothing else uses; nothing is made there.
package func temporaryPath(_ name: String) -> String {
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    return joinPath(folder.isEmpty ? "." : folder, "heed-\(getpid())-\(UInt64.random(in: 0 ... .max))-\(name)")
}

/// Removes a file, or a folder with everything in it; one that is not there is fine. Links are removed, not followed.
package func removeTree(_ path: String) throws {
    var information = stat()
    guard lstat(path, &information) == 0 else { return }
    guard information.st_mode & S_IFMT == S_IFDIR else { return try removeFile(path) }
    for name in try listDirectory(path) { try removeTree(joinPath(path, name)) }
    if rmdir(path) != 0 { throw systemFailure("cannot remove", path, errno) }
}
