# `docker buildx bake` builds the images for any processor, `bake cuda` those for GPUs, `bake all` both.
# deploy/images/README.md has the commands to publish them.

variable "REGISTRY" {
  default = "parley"
}

variable "VERSION" {
  default = "0.1.0"
}

variable "REVISION" {
  default = "unknown"
}

# Empty: the tag that the Dockerfile names. For a release name it with its digest.
variable "PYTHON_IMAGE" {
  default = ""
}

group "default" {
  targets = ["gateway", "asr", "llm", "tts", "tts-piper", "models"]
}

group "cuda" {
  targets = ["asr-cuda", "llm-cuda", "tts-cuda"]
}

group "all" {
  targets = ["default", "cuda"]
}

target "image" {
  name       = image
  matrix     = { image = ["gateway", "asr", "llm", "tts", "tts-piper", "models", "asr-cuda", "llm-cuda", "tts-cuda"] }
  dockerfile = "deploy/images/Dockerfile"
  target     = image
  tags       = ["${REGISTRY}/${image}:${VERSION}"]
  args = {
    VERSION      = VERSION
    REVISION     = REVISION
    PYTHON_IMAGE = PYTHON_IMAGE != "" ? PYTHON_IMAGE : null
  }
}
