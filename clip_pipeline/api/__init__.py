"""The verbs of the library, one public function a file."""
