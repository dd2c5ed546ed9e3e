// swift-tools-version: 6.2
import PackageDescription

// Targets are the stages of a token's way; imports point down only.
let package = Package(
    name: "Heed",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "Heed", targets: ["Heed"]),
        .library(name: "HeedTokenizers", targets: ["HeedTokenizers"]),
        .library(name: "HeedTemplates", targets: ["HeedTemplates"]),
        .executable(name: "heed", targets: ["HeedCommand"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
    ],
    targets: [
        // Files, JSON and errors; nothing of transformers.
        .target(name: "HeedSupport", dependencies: ["CHeedKernels"]),
        // Text ⇄ ids.
        .target(name: "HeedTokenizers", dependencies: ["HeedSupport"]),
        // Messages → text, by the templates that models bring.
        .target(name: "HeedTemplates", dependencies: ["HeedSupport"]),
        // Hot loops in C, chosen once for this processor.
        .target(name: "CHeedKernels"),
        // What is computed: shapes, operations, trace, planner, parameters, random numbers.
        .target(name: "HeedTensor", dependencies: ["CHeedKernels", "HeedSupport"]),
        // How a processor computes it: lowered operations, threads, caches, updates.
        .target(name: "HeedProcessor", dependencies: ["CHeedKernels", "HeedSupport", "HeedTensor"]),
        // Linear … Block.
        .target(name: "HeedLayers", dependencies: ["HeedSupport", "HeedTensor"]),
        // Files of weights: safetensors, PyTorch, GGUF, and converting between them.
        .target(name: "HeedWeights", dependencies: ["CHeedKernels", "HeedSupport"]),
        // ids → embeddings → blocks → logits.
        .target(name: "HeedModels", dependencies: ["HeedLayers", "HeedSupport", "HeedTensor", "HeedWeights"]),
        // Models at work: passes over rows of ids.
        .target(
            name: "HeedRun", dependencies: ["HeedModels", "HeedProcessor", "HeedSupport", "HeedTensor", "HeedWeights"]),
        // logits → ids.
        .target(
            name: "HeedGenerate",
            dependencies: [
                "CHeedKernels", "HeedLayers", "HeedModels", "HeedProcessor", "HeedSupport", "HeedTensor", "HeedWeights",
            ]),
        // Texts in, texts out: generation, conversations, embeddings, classes, translation.
        .target(
            name: "HeedTexts",
            dependencies: [
                "HeedGenerate", "HeedModels", "HeedProcessor", "HeedSupport", "HeedTemplates", "HeedTensor",
                "HeedTokenizers", "HeedWeights",
            ]),
        // loss → update.
        .target(
            name: "HeedTrain",
            dependencies: [
                "CHeedKernels", "HeedModels", "HeedProcessor", "HeedRun", "HeedSupport", "HeedTensor", "HeedWeights",
            ]),
        // Any pass → story.
        .target(
            name: "HeedExplain",
            dependencies: ["HeedLayers", "HeedModels", "HeedProcessor", "HeedSupport", "HeedTensor", "HeedWeights"],
            // In the code, so that pages can be written wherever the program or a package that uses it runs.
            resources: ["page.css", "common.js", "explain.js", "training.js", "check.js", "plan.js"].map {
                .embedInCode("Page/Resources/\($0)")
            }),
        // Umbrella.
        .target(
            name: "Heed",
            dependencies: [
                "HeedExplain", "HeedGenerate", "HeedLayers", "HeedModels", "HeedProcessor", "HeedRun", "HeedSupport",
                "HeedTemplates", "HeedTensor", "HeedTexts", "HeedTokenizers", "HeedTrain", "HeedWeights",
            ]),
        // The command line.
        .executableTarget(
            name: "HeedCommand",
            dependencies: [
                "Heed", "HeedGenerate", "HeedProcessor", "HeedRun", "HeedSupport", "HeedTensor", "HeedTexts",
                "HeedTokenizers", "HeedWeights", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // Where tests find golden files.
        .target(name: "TestFixtures", dependencies: ["HeedSupport"], path: "Tests/TestFixtures"),
        .testTarget(name: "HeedSupportTests", dependencies: ["HeedSupport"]),
        .testTarget(name: "HeedTokenizersTests", dependencies: ["HeedSupport", "HeedTokenizers", "TestFixtures"]),
        .testTarget(name: "HeedTemplatesTests", dependencies: ["HeedSupport", "HeedTemplates", "TestFixtures"]),
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
        .testTarget(name: "HeedWeightsTests", dependencies: ["HeedSupport", "HeedWeights", "TestFixtures"]),
        .testTarget(name: "HeedLayersTests", dependencies: ["HeedLayers", "HeedTensor"]),
        .testTarget(
            name: "HeedModelsTests",
            dependencies: [
                "HeedLayers", "HeedModels", "HeedProcessor", "HeedRun", "HeedSupport", "HeedTensor", "HeedTexts",
                "HeedWeights", "ReferenceBackend", "TestFixtures",
            ]),
        // Counts allocations, for tests that promise none.
        .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
        .testTarget(
            name: "HeedGenerateTests",
            dependencies: [
                "CAllocationCounter", "HeedGenerate", "HeedLayers", "HeedModels", "HeedProcessor", "HeedRun",
                "HeedSupport", "HeedTensor", "HeedWeights", "TestFixtures",
            ]),
        .testTarget(
            name: "HeedTrainTests",
            dependencies: [
                "CAllocationCounter", "HeedLayers", "HeedModels", "HeedProcessor", "HeedRun", "HeedSupport",
                "HeedTensor", "HeedTokenizers", "HeedTrain", "HeedWeights", "TestFixtures",
            ]),
        .testTarget(
            name: "HeedExplainTests",
            dependencies: [
                "HeedExplain", "HeedLayers", "HeedModels", "HeedProcessor", "HeedSupport", "HeedTensor", "HeedWeights",
                "TestFixtures",
            ]),
        .testTarget(name: "HeedTests", dependencies: ["Heed", "HeedSupport", "TestFixtures"]),
        .testTarget(
            name: "HeedCommandTests",
            dependencies: [
                "Heed", "HeedCommand", "HeedProcessor", "HeedRun", "HeedSupport", "HeedTexts", "HeedTokenizers",
                "HeedWeights", "TestFixtures", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17
)

// What continuous integration asks for: no warning passes. A setting of ours only, so that nobody who depends on Heed
// is held to it.
if Context.environment["HEED_STRICT"] != nil {
    for target in package.targets {
        target.swiftSettings = (target.swiftSettings ?? []) + [.treatAllWarnings(as: .error)]
        target.cSettings = (target.cSettings ?? []) + [.treatAllWarnings(as: .error)]
    }
}
