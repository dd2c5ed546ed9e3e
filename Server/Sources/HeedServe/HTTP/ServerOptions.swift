/// Limits of what a client may ask, and how the server behaves at its edges.
public struct ServerOptions: Sendable {
    /// The most bytes of a request's body.
    public var maximumBody = 8 << 20
    /// The most seconds that a request may take; nil for no limit but the client's.
    public var timeout: Double?
    /// What browsers' pages of other origins may do: nothing where nil, else this origin, or `*`.
    public var allowedOrigin: String?
    /// Whether the page at `/` is there.
    public var hasPage = true

    /// The usual options.
    public init() {}
}
