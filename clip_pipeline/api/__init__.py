"""The verbs of the library: one public function a file, on plain values; the command line and a notebook call the same."""
