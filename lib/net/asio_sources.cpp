// The one place where Asio, Asio's TLS and Beast are compiled; every other file sees declarations alone.

#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
