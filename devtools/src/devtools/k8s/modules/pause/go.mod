module facecomparison.dev/tests/parts/pause

go 1.21
