"""Satellite XCO2: soundings, their gridding and fusion, and maps without gaps.

After Zhang et al. (2024), "Reconstruction on High-Resolution XCO2 Spatiotemporal Distribution in
Sichuan Province Using ResNet-LSTM Model".
"""
