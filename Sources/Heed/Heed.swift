/// The umbrella: `import Heed` brings every library module of the toolkit.
@_exported import HeedExplain
@_exported import HeedGenerate
@_exported import HeedLayers
@_exported import HeedModels
@_exported import HeedProcessor
@_exported import HeedRun
@_exported import HeedSupport
@_exported import HeedTemplates
@_exported import HeedTensor
@_exported import HeedTexts
@_exported import HeedTokenizers
@_exported import HeedTrain
@_exported import HeedWeights
