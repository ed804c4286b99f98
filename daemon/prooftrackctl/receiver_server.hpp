#pragma once

// A small HTTP server for `listen`: loopback only, one thread, bounded connections, bodies and times.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "prooftrackctl/stop_signal.hpp"
#include "prooftrackctl/webhook_receiver.hpp"

namespace prooftrack::ctl {

/// Takes a request, gives the status to answer; false in `go_on` ends `run` after the answer was sent.
using request_handler = std::function<int(const received_request& request, bool& go_on)>;

class receiver_server {
  public:
    /// Binds and listens: `HOST:PORT` on this machine's loopback, or `unix:PATH`. Throws command_failure. `stop` must
    /// outlive it.
    receiver_server(const std::string& address, const stop_signal& stop);
    ~receiver_server();
    receiver_server(const receiver_server&) = delete;
    receiver_server& operator=(const receiver_server&) = delete;

    /// As a callback's url has it: `http://127.0.0.1:4711/` or `http+unix:///path.sock:/`.
    const std::string& url() const { return url_; }

    /// Serves until a signal comes or the handler has enough.
    void run(const request_handler& handler);

  private:
    class connection;

    void listen_on_tcp(const std::string& address);
    void listen_on_unix(const std::string& path);
    void accept_one();

    const stop_signal& stop_;
    int listener_ = -1;
    std::string url_;
    std::string unlink_path_;
    std::vector<std::unique_ptr<connection>> connections_;
};

} // namespace prooftrack::ctl
