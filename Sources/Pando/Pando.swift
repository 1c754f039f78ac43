// The one import that users write.

@_exported import PandoBackbones
@_exported import PandoBranches
@_exported import PandoData
@_exported import PandoNN
@_exported import PandoONNX
@_exported import PandoReproductions
@_exported import PandoTensor
@_exported import PandoTraining
