// swift-tools-version: 6.2
import PackageDescription

// A web server of one's own with a model below /ai.
let package = Package(
    name: "Mounted",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "Heed", path: "../../.."),
        .package(name: "Server", path: "../.."),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    ],
    targets: [
        .executableTarget(
            name: "Mounted",
            dependencies: [
                .product(name: "Heed", package: "Heed"), .product(name: "HeedServe", package: "Server"),
                .product(name: "Hummingbird", package: "hummingbird"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
