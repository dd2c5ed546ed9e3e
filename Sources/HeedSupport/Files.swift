#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The whole content of a file.
///
/// - Throws: `HeedError` of kind `missing` or `io`, naming the file.
package func readFile(_ path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw systemFailure("cannot open", path, errno) }
    defer { close(descriptor) }
    var information = stat()
    guard fstat(descriptor, &information) == 0 else { throw systemFailure("cannot read", path, errno) }
    if information.st_mode & S_IFMT == S_IFDIR { throw systemFailure("cannot read", path, EISDIR) }
    return try readDescriptor(descriptor, path, sizeHint: Int(information.st_size))
}

/// Everything that an open file still gives; `name` is for messages.
///
/// Pipes and special files tell no size: this reads until the end in any case.
func readDescriptor(_ descriptor: Int32, _ name: String, sizeHint: Int = 0) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var step = max(sizeHint, 0) + 1
    while true {
        let start = bytes.count
        var failed: Int32 = 0
        var got = 0
        let chunk = [UInt8](unsafeUninitializedCapacity: step) { buffer, count in
            repeat {
                got = read(descriptor, buffer.baseAddress, step)
            } while got < 0 && errno == EINTR
            if got < 0 { failed = errno }
            count = max(got, 0)
        }
        if got < 0 { throw systemFailure("cannot read", name, failed) }
        if got == 0 { return bytes }
        if start == 0 { bytes = chunk } else { bytes.append(contentsOf: chunk) }
        let left = sizeHint - bytes.count
        step = left >= 0 ? left + 1 : 1 << 20
    }
}

/// Whether there is a file or folder at `path`.
package func fileExists(_ path: String) -> Bool {
    access(path, F_OK) == 0
}

/// Whether there is a folder at `path`.
package func isDirectory(_ path: String) -> Bool {
    var information = stat()
    return stat(path, &information) == 0 && information.st_mode & S_IFMT == S_IFDIR
}

/// The size of a file in bytes, or nil where there is none.
package func fileSize(_ path: String) -> Int? {
    var information = stat()
    return stat(path, &information) == 0 ? Int(information.st_size) : nil
}

/// The names in a folder without `.` and `..`, in the order of their bytes.
package func listDirectory(_ path: String) throws -> [String] {
    guard let directory = opendir(path) else { throw systemFailure("cannot list", path, errno) }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)) {
                String(cString: $0)
            }
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}

/// Makes a folder and the folders above it; one that is there already is fine.
package func createDirectory(_ path: String) throws {
    if path.isEmpty || isDirectory(path) { return }
    let parent = parentPath(path)
    if parent != path, parent != "." { try createDirectory(parent) }
    if mkdir(path, 0o777) != 0 {
        let code = errno
        if code == EEXIST, isDirectory(path) { return }
        throw systemFailure("cannot make the folder", path, code)
    }
}

/// Removes a file; one that is not there is fine.
package func removeFile(_ path: String) throws {
    if unlink(path) != 0, errno != ENOENT { throw systemFailure("cannot remove", path, errno) }
}

/// `folder/name`, with one slash between.
package func joinPath(_ folder: String, _ name: String) -> String {
    if folder.isEmpty { return name }
    return folder.utf8.last == UInt8(ascii: "/") ? folder + name : folder + "/" + name
}

/// The part of a path after its last slash.
package func lastPathComponent(_ path: String) -> String {
    var bytes = Substring(path).utf8
    while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
    guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")), bytes.count > 1 else { return String(Substring(bytes)) }
    return String(Substring(bytes[bytes.index(after: slash)...]))
}

/// The folder that holds `path`: `.` where the path names none.
package func parentPath(_ path: String) -> String {
    var bytes = Substring(path).utf8
    while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
    guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    if slash == bytes.startIndex { return "/" }
    return String(Substring(bytes[..<slash]))
}
