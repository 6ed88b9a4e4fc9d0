"""What a channel shows, kept as it shows it: download, storing, images. Matching lives in catalog/."""
