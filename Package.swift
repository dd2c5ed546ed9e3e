// swift-tools-version: 6.2
import PackageDescription

// Targets are the stages of a token's way; imports point down only.
let package = Package(
    name: "Heed",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "Heed", targets: ["Heed"]),
        .library(name: "HeedTokenizers", targets: ["HeedTokenizers"]),
        .executable(name: "heed", targets: ["HeedCommand"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
    ],
    targets: [
        // Files, JSON and errors; nothing of transformers.
        .target(name: "HeedSupport"),
        // Text ⇄ ids.
        .target(name: "HeedTokenizers", dependencies: ["HeedSupport"]),
        // Hot loops in C, chosen once for this processor.
        .target(name: "CHeedKernels"),
        // Shapes, operations, trace, plan, parameters, random source, threads.
        .target(name: "HeedTensor", dependencies: ["CHeedKernels", "HeedSupport"]),
        // Linear … Block.
        .target(name: "HeedLayers", dependencies: ["HeedTensor", "HeedSupport"]),
        // Files of weights: safetensors, PyTorch, GGUF, and converting between them.
        .target(name: "HeedWeights", dependencies: ["CHeedKernels", "HeedTensor", "HeedSupport"]),
        // ids → embeddings → blocks → logits.
        .target(name: "HeedModels", dependencies: ["HeedLayers", "HeedWeights"]),
        // logits → ids.
        .target(name: "HeedGenerate", dependencies: ["HeedModels", "HeedTensor", "HeedSupport", "CHeedKernels"]),
        // loss → update.
        .target(name: "HeedTrain", dependencies: ["HeedModels", "HeedSupport", "CHeedKernels"]),
        // Any pass → story.
        .target(name: "HeedExplain", dependencies: ["HeedModels"]),
        // Umbrella.
        .target(
            name: "Heed",
            dependencies: ["HeedTokenizers", "HeedGenerate", "HeedTrain", "HeedExplain"]),
        // The command line.
        .executableTarget(
            name: "HeedCommand",
            dependencies: ["Heed", .product(name: "ArgumentParser", package: "swift-argument-parser")]),

        // Where tests find golden files.
        .target(name: "TestFixtures", dependencies: ["HeedSupport"], path: "Tests/TestFixtures"),
        .testTarget(name: "HeedSupportTests", dependencies: ["HeedSupport"]),
        .testTarget(name: "HeedTokenizersTests", dependencies: ["HeedTokenizers", "TestFixtures"]),
        .testTarget(name: "CHeedKernelsTests", dependencies: ["CHeedKernels", "HeedSupport", "TestFixtures"]),
        .testTarget(name: "HeedTensorTests", dependencies: ["HeedTensor", "HeedSupport", "CHeedKernels"]),
        .testTarget(name: "HeedWeightsTests", dependencies: ["HeedWeights", "TestFixtures"]),
        .testTarget(name: "HeedLayersTests", dependencies: ["HeedLayers", "HeedTensor"]),
        .testTarget(name: "HeedModelsTests", dependencies: ["HeedModels", "HeedLayers", "TestFixtures"]),
        // Counts allocations, for tests that promise none.
        .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
        .testTarget(
            name: "HeedGenerateTests",
            dependencies: ["HeedGenerate", "HeedSupport", "HeedWeights", "CAllocationCounter", "TestFixtures"]),
        .testTarget(
            name: "HeedTrainTests",
            dependencies: ["HeedTrain", "HeedSupport", "HeedWeights", "CAllocationCounter", "TestFixtures"]),
        .testTarget(name: "HeedExplainTests", dependencies: ["HeedExplain", "TestFixtures"]),
        .testTarget(name: "HeedCommandTests", dependencies: ["HeedCommand"]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17
)
