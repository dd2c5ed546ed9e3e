#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A library of the system that is bound when it is needed, so that nothing else needs it.
package struct SystemLibrary: @unchecked Sendable {
    // Sendable: the handle is never closed, and the system's loader takes calls from any thread.
    private let handle: UnsafeMutableRawPointer

    /// The library that the environment's `variable` names, or the first of `names` that is there; nil without one.
    ///
    /// - `isGlobal`: whether parts of the library look for its symbols among those of the whole process.
    package init?(_ names: [String], variable: String, isGlobal: Bool = false) {
        let names = getenv(variable).map { [String(cString: $0)] } ?? names
        let mode = isGlobal ? RTLD_NOW | RTLD_GLOBAL : RTLD_NOW
        guard let handle = names.lazy.compactMap({ dlopen($0, mode) }).first else { return nil }
        self.handle = handle
    }

    /// The address of a symbol, or nil.
    package func address(of name: String) -> UnsafeMutableRawPointer? { dlsym(handle, name) }

    /// A function, which must be of that C type, or nil.
    package func function<Function>(_ name: String, as type: Function.Type) -> Function? {
        address(of: name).map { unsafeBitCast($0, to: type) }
    }
}
