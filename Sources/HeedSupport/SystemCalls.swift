#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The operating system's words for the last error of this thread.
func systemMessage(_ code: Int32) -> String {
    guard let text = strerror(code) else { return "error \(code)" }
    return String(cString: text)
}

/// An error for a system call that failed on `path`.
func systemFailure(_ what: String, _ path: String, _ code: Int32) -> HeedError {
    switch code {
    case ENOENT:
        return HeedError(.missing, "\(what): there is no such file or folder", in: path, advice: "Check the path")
    case ENOSPC:
        return HeedError(.io, "\(what): the disk is full", in: path, advice: "Free some space and run it again")
    case EISDIR:
        return HeedError(.io, "\(what): it is a folder", in: path, expected: "a file")
    case ENOTDIR:
        return HeedError(.io, "\(what): a part of the path is a file, not a folder", in: path)
    default:
        return HeedError(.io, "\(what): \(systemMessage(code).lowercased())", in: path)
    }
}
