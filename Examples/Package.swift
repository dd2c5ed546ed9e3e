// swift-tools-version: 6.2
import PackageDescription

// Programs that use Heed as a library. Copy one and put the address of Heed in the place of the path.
let package = Package(
    name: "Examples",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "heed", path: "..")],
    targets: [
        .executableTarget(name: "Writer", dependencies: [.product(name: "Heed", package: "heed")]),
        .executableTarget(name: "Notes", dependencies: [.product(name: "Heed", package: "heed")]),
        .executableTarget(name: "Stories", dependencies: [.product(name: "Heed", package: "heed")]),
    ],
    swiftLanguageModes: [.v6]
)
