// swift-tools-version: 6.2
import PackageDescription

// The server is a package of its own, so that who uses Heed or builds its command line never fetches an HTTP stack.
let package = Package(
    name: "HeedServer",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "HeedServe", targets: ["HeedServe"]),
        .executable(name: "heed-serve", targets: ["HeedServeCommand"]),
    ],
    dependencies: [
        .package(name: "Heed", path: ".."),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        .target(
            name: "HeedServe",
            dependencies: [
                .product(name: "Heed", package: "Heed"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                // Locks that a thread sanitizer sees, which those of the standard library are not on Linux.
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            // The page is part of the program: nothing is read from disk.
            resources: [.embedInCode("Page/page.html")]),
        .executableTarget(
            name: "HeedServeCommand",
            dependencies: [
                "HeedServe",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Heed", package: "Heed"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]),
        .testTarget(
            name: "HeedServeTests",
            dependencies: [
                "HeedServe", .product(name: "Heed", package: "Heed"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)

// As in the package above: what continuous integration asks for.
if Context.environment["HEED_STRICT"] != nil {
    for target in package.targets {
        target.swiftSettings = (target.swiftSettings ?? []) + [.treatAllWarnings(as: .error)]
    }
}
