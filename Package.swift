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
        // What is computed: shapes, operations, trace, planner, parameters, random numbers.
        .target(name: "HeedTensor", dependencies: ["CHeedKernels", "HeedSupport"]),
        // How a processor computes it: lowered operations, threads, caches, updates.
        .target(name: "HeedProcessor", dependencies: ["CHeedKernels", "HeedSupport", "HeedTensor"]),
        // Linear … Block.
        .target(name: "HeedLayers", dependencies: ["HeedTensor", "HeedSupport"]),
        // Files of weights: safetensors, PyTorch, GGUF, and converting between them.
        .target(name: "HeedWeights", dependencies: ["CHeedKernels", "HeedTensor", "HeedSupport"]),
        // ids → embeddings → blocks → logits.
        .target(name: "HeedModels", dependencies: ["HeedLayers", "HeedSupport", "HeedTensor", "HeedWeights"]),
        // Models at work: passes over rows of ids, embeddings, classes, masked tokens.
        .target(
            name: "HeedRun", dependencies: ["HeedModels", "HeedProcessor", "HeedSupport", "HeedTensor", "HeedWeights"]),
        // logits → ids.
        .target(
            name: "HeedGenerate",
            dependencies: ["CHeedKernels", "HeedModels", "HeedProcessor", "HeedSupport", "HeedTensor", "HeedWeights"]),
        // loss → update.
        .target(
            name: "HeedTrain",
            dependencies: [
                "CHeedKernels", "HeedModels", "HeedProcessor", "HeedRun", "HeedSupport", "HeedTensor", "HeedWeights",
            ]),
        // Any pass → story.
        .target(
            name: "HeedExplain",
            dependencies: ["HeedLayers", "HeedModels", "HeedProcessor", "HeedSupport", "HeedTensor"]),
        // Umbrella.
        .target(
            name: "Heed",
            dependencies: ["HeedTokenizers", "HeedGenerate", "HeedRun", "HeedTrain", "HeedExplain"]),
        // The command line.
        .executableTarget(
            name: "HeedCommand",
            dependencies: ["Heed", .product(name: "ArgumentParser", package: "swift-argument-parser")]),

        // Where tests find golden files.
        .target(name: "TestFixtures", dependencies: ["HeedSupport"], path: "Tests/TestFixtures"),
        .testTarget(name: "HeedSupportTests", dependencies: ["HeedSupport"]),
        .testTarget(name: "HeedTokenizersTests", dependencies: ["HeedTokenizers", "TestFixtures"]),
        .testTarget(name: "CHeedKernelsTests", dependencies: ["CHeedKernels", "HeedSupport", "TestFixtures"]),
        .testTarget(
            name: "HeedTensorTests", dependencies: ["CHeedKernels", "HeedProcessor", "HeedSupport", "HeedTensor"]),
        // Every operation once more, slow, obvious and in double precision: the oracle of the tests.
        .target(
            name: "ReferenceBackend", dependencies: ["CHeedKernels", "HeedSupport", "HeedTensor"],
            path: "Tests/ReferenceBackend"),
        .testTarget(
            name: "HeedProcessorTests",
            dependencies: ["HeedProcessor", "HeedSupport", "HeedTensor", "ReferenceBackend"]),
        .testTarget(name: "HeedWeightsTests", dependencies: ["HeedWeights", "TestFixtures"]),
        .testTarget(name: "HeedLayersTests", dependencies: ["HeedLayers", "HeedTensor"]),
        .testTarget(
            name: "HeedModelsTests",
            dependencies: [
                "HeedLayers", "HeedModels", "HeedProcessor", "HeedRun", "HeedSupport", "HeedTensor", "ReferenceBackend",
                "TestFixtures",
            ]),
        // Counts allocations, for tests that promise none.
        .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
        .testTarget(
            name: "HeedGenerateTests",
            dependencies: [
                "CAllocationCounter", "HeedGenerate", "HeedLayers", "HeedModels", "HeedProcessor", "HeedRun",
                "HeedSupport",
                "HeedTensor", "HeedWeights", "TestFixtures",
            ]),
        .testTarget(
            name: "HeedTrainTests",
            dependencies: [
                "CAllocationCounter", "HeedLayers", "HeedModels", "HeedProcessor", "HeedRun", "HeedSupport",
                "HeedTensor",
                "HeedTrain", "HeedWeights", "TestFixtures",
            ]),
        .testTarget(name: "HeedExplainTests", dependencies: ["HeedExplain", "TestFixtures"]),
        .testTarget(name: "HeedTests", dependencies: ["Heed", "TestFixtures"]),
        .testTarget(name: "HeedCommandTests", dependencies: ["HeedCommand"]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17
)
