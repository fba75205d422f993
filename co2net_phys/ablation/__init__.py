"""What each part of CO2-Net is worth: the same run with one thing changed, over several seeds."""
