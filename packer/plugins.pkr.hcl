# In a file of its own: Packer before 1.7 has the builder built in and does not know this block, and checks the rest without this file.
packer {
  required_version = ">= 1.9.0"
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.3.0, < 2.0.0"
    }
  }
}
