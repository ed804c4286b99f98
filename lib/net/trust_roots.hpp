#pragma once

// Whom TLS trusts, as a value: certificate authorities by content, not by the name of a file.

#include <string>

namespace prooftrack::net {

/// Most bytes of a PEM bundle: the system's own has about 220 KB.
inline constexpr std::size_t max_ca_bytes = 4UL * 1024 * 1024;

/// The system's authorities as they are at this moment, or those of a PEM bundle. Equal ones trust the same, so what
/// was made with one may be used in place of what would be made with the other.
class trust_roots {
  public:
    /// The system's: takes note of what its files are now, so that a replaced bundle makes a different value.
    trust_roots();
    /// `pem` is the content of the bundle; `file` says in messages where it came from.
    trust_roots(std::string pem, std::string file);

    bool is_system() const { return file_.empty(); }
    const std::string& pem() const { return pem_; }
    const std::string& file() const { return file_; }

    bool operator==(const trust_roots& other) const {
        return is_system() == other.is_system() && pem_ == other.pem_ && system_state_ == other.system_state_;
    }

  private:
    std::string pem_;
    std::string file_;         ///< "" = the system's
    std::string system_state_; ///< inode, size and time of the system's bundle and folder
};

} // namespace prooftrack::net
