// swift-tools-version: 6.1
import PackageDescription

// oneDNN lives in a private prefix that `./run` makes; executables find it at run time through this path.
let prefixLibraries = Context.packageDirectory + "/.prefix/lib"
let runPath: [LinkerSetting] = [.unsafeFlags(["-Xlinker", "-rpath", "-Xlinker", prefixLibraries])]

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "pando",
    products: [
        .library(name: "Pando", targets: ["Pando"]),
        .executable(name: "pando", targets: ["PandoCLI"]),
        .executable(name: "PandoBenchmarks", targets: ["PandoBenchmarks"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.0.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.5.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.29.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.3.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.24.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
    ],
    targets: [
        .systemLibrary(name: "COneDNN", pkgConfig: "dnnl"),
        .systemLibrary(name: "CLAPACK", providers: [.apt(["liblapack3"])]),
        .systemLibrary(name: "CVips", pkgConfig: "vips", providers: [.apt(["libvips-dev"])]),
        .target(name: "CImaging", dependencies: ["CVips"]),
        .systemLibrary(
            name: "CLibAV", pkgConfig: "libavformat",
            providers: [.apt(["libavformat-dev", "libavcodec-dev", "libavutil-dev", "libswscale-dev"])]),
        .target(
            name: "CVideo", dependencies: ["CLibAV"],
            linkerSettings: ["avcodec", "avutil", "swscale"].map { .linkedLibrary($0) }),
        .target(name: "CKernels"),
        .target(name: "PandoTensor", dependencies: ["CKernels", "CLAPACK", "COneDNN"], swiftSettings: strict),
        .target(name: "PandoNN", dependencies: ["PandoTensor"], swiftSettings: strict),
        .target(
            name: "PandoData",
            dependencies: [
                "CImaging", "CVideo", "PandoNN", "PandoTensor",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strict),
        .target(
            name: "PandoONNX",
            dependencies: ["PandoTensor", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
            exclude: ["Schema/onnx-fields.proto"], swiftSettings: strict),
        .target(
            name: "PandoBackbones", dependencies: ["PandoData", "PandoNN", "PandoONNX", "PandoTensor"],
            swiftSettings: strict),
        .target(
            name: "PandoBranches", dependencies: ["PandoBackbones", "PandoNN", "PandoTensor"], swiftSettings: strict),
        .target(
            name: "PandoTraining",
            dependencies: [
                "PandoBackbones", "PandoBranches", "PandoData", "PandoNN", "PandoONNX", "PandoTensor",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: strict),
        .target(
            name: "PandoReproductions",
            dependencies: [
                "PandoBackbones", "PandoBranches", "PandoData", "PandoNN", "PandoTensor", "PandoTraining",
            ],
            swiftSettings: strict),
        .target(
            name: "PandoServing",
            dependencies: [
                "PandoBackbones", "PandoBranches", "PandoData", "PandoTensor", "PandoTraining",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            resources: [
                .embedInCode("OpenAPI/openapi.json"), .embedInCode("Page/page.css"), .embedInCode("Page/page.html"),
                .embedInCode("Page/page.js"),
            ],
            swiftSettings: strict),
        .target(
            name: "PandoLoad",
            dependencies: [
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .target(
            name: "Pando",
            dependencies: [
                "PandoBackbones", "PandoBranches", "PandoData", "PandoNN", "PandoONNX", "PandoReproductions",
                "PandoTensor", "PandoTraining",
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "PandoCLI",
            dependencies: [
                "Pando", "PandoLoad", "PandoServing",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict, linkerSettings: runPath),
        .target(name: "CPeak", path: "Benchmarks/CPeak"),
        .executableTarget(
            name: "PandoBenchmarks",
            dependencies: [
                "CPeak", "PandoBackbones", "PandoBranches", "PandoData", "PandoLoad", "PandoNN", "PandoTensor",
                "PandoTraining",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Benchmarks/PandoBenchmarks", swiftSettings: strict, linkerSettings: runPath),
        .target(
            name: "PandoTestSupport", dependencies: ["PandoNN", "PandoTensor"], path: "Tests/PandoTestSupport",
            swiftSettings: strict),
        .testTarget(
            name: "PandoTensorTests", dependencies: ["CKernels", "PandoTensor", "PandoTestSupport"], exclude: ["Golden"],
            swiftSettings: strict, linkerSettings: runPath),
        .testTarget(
            name: "PandoNNTests", dependencies: ["PandoNN", "PandoTestSupport"], swiftSettings: strict,
            linkerSettings: runPath),
        .testTarget(
            name: "PandoDataTests", dependencies: ["PandoData", "PandoNN", "PandoTensor", "PandoTestSupport"],
            exclude: ["Fixtures"], swiftSettings: strict, linkerSettings: runPath),
        .testTarget(
            name: "PandoONNXTests",
            dependencies: [
                "PandoONNX", "PandoTensor", "PandoTestSupport",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            exclude: ["Golden"], swiftSettings: strict, linkerSettings: runPath),
        .testTarget(
            name: "PandoBackbonesTests", dependencies: ["PandoBackbones", "PandoONNX", "PandoTestSupport"],
            exclude: ["Golden"], swiftSettings: strict, linkerSettings: runPath),
        .testTarget(
            name: "PandoBranchesTests", dependencies: ["PandoBranches", "PandoTestSupport"], exclude: ["Golden"],
            swiftSettings: strict,
            linkerSettings: runPath),
        .testTarget(
            name: "PandoTrainingTests", dependencies: ["PandoONNX", "PandoTestSupport", "PandoTraining"],
            exclude: ["Golden", "make_metrics_golden.py"], swiftSettings: strict, linkerSettings: runPath),
        .testTarget(
            name: "PandoLoadTests",
            dependencies: [
                "PandoLoad",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict, linkerSettings: runPath),
        .testTarget(
            name: "PandoReproductionsTests", dependencies: ["PandoReproductions", "PandoTestSupport"],
            swiftSettings: strict, linkerSettings: runPath),
        .testTarget(
            name: "PandoServingTests",
            dependencies: [
                "PandoServing", "PandoTestSupport",
                .product(name: "HummingbirdTesting", package: "hummingbird"),
            ],
            swiftSettings: strict, linkerSettings: runPath),
        .testTarget(
            name: "PandoCLITests", dependencies: ["PandoCLI", "PandoData", "PandoTensor", "PandoTestSupport"],
            swiftSettings: strict, linkerSettings: runPath),
    ],
    swiftLanguageModes: [.v6]
)
