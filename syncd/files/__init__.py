"""What schools send as files: opened with care, read row by row, and every oddity told in words."""
