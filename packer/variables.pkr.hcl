variable "region" {
  type        = string
  description = "Region that the image is baked in, and used in."
}

variable "deployment" {
  type        = string
  description = "Name of the deployment, as in the launcher's file."
}

variable "arch" {
  type        = string
  default     = "x86_64"
  description = "Architecture, x86_64 or arm64."
  validation {
    condition     = var.arch == "x86_64" || var.arch == "arm64"
    error_message = "The architecture is x86_64 or arm64."
  }
}

variable "ubuntu" {
  type        = string
  default     = "24.04"
  description = "Ubuntu LTS that the image is made of, 24.04 or 22.04."
  validation {
    condition     = var.ubuntu == "24.04" || var.ubuntu == "22.04"
    error_message = "The Ubuntu release is 24.04 or 22.04."
  }
}

variable "subnet_id" {
  type        = string
  description = "Public subnet for the machine that bakes."
}

variable "security_group_id" {
  type        = string
  description = "Group without an inbound rule: Packer connects through Session Manager, and would open port 22 in a group of its own."
}

variable "instance_profile" {
  type        = string
  description = "Name of the instance profile of boxes, or another one with AmazonSSMManagedInstanceCore."
}

variable "kms_key_id" {
  type        = string
  default     = ""
  description = "Key of the image's snapshot; empty is the account's default for EBS."
}

variable "root_gib" {
  type        = number
  default     = 12
  description = "Size of the system volume. What people write goes to the workspace volume."
}

variable "version" {
  type        = string
  default     = "development"
  description = "Version of devctl that is baked in."
}
